/** What the framings of image formats have in common. */

export type ImageFormat = "jpeg" | "png";

/** Finds the end of one image in chunks that are cut anywhere. */
export interface Framing {
	readonly format: ImageFormat;
	/** The image's last byte has been scanned. */
	readonly complete: boolean;
	/**
	 * Goes on at `chunk[index]` and stops behind the image's last byte or at the end of the chunk.
	 *
	 * @param base position of `chunk[0]`, for messages.
	 * @returns the index at which it stopped.
	 */
	scan(chunk: Uint8Array, index: number, base: number): number;
}

/** Bytes that are no whole image; `offset` is where that showed. */
export class ImageError extends Error {
	readonly reason: "not-an-image" | "damaged" | "truncated" | "too-large";
	readonly offset: number;

	constructor(reason: ImageError["reason"], message: string, offset: number) {
		super(message);
		this.name = "ImageError";
		this.reason = reason;
		this.offset = offset;
	}
}
