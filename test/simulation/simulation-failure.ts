/** A store did what it must not do. */
export class SimulationFailure extends Error {
	override readonly name = "SimulationFailure";
}
