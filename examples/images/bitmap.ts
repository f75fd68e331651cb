/** Pictures in memory, and a few that are computed, so that the examples need no files. */

/** Three bytes a pixel: red, green, blue; rows from the top. */
export interface Bitmap {
	readonly width: number;
	readonly height: number;
	readonly rgb: Uint8Array;
}

type Colour = readonly [red: number, green: number, blue: number];

/** Makes a bitmap by asking for each pixel, x and y from 0 to 1. */
function paint(width: number, height: number, colourAt: (x: number, y: number) => Colour): Bitmap {
	const rgb = new Uint8ClampedArray(width * height * 3);
	for (let row = 0, i = 0; row < height; row++) {
		for (let column = 0; column < width; column++, i += 3) {
			const [red, green, blue] = colourAt(column / width, row / height);
			rgb[i] = red;
			rgb[i + 1] = green;
			rgb[i + 2] = blue;
		}
	}
	return { width, height, rgb: new Uint8Array(rgb.buffer) };
}

/** Hills behind hills under an evening sky. */
export function dunes(width: number, height: number): Bitmap {
	return paint(width, height, (x, y) => {
		const sun = Math.hypot((x - 0.68) * (width / height), y - 0.34);
		let colour = mix([38, 44, 104], [255, 168, 92], y / 0.62);
		if (sun < 0.09) colour = [255, 240, 205];
		else colour = mix([255, 214, 150], colour, (sun - 0.09) / 0.25);
		for (let layer = 0; layer < 4; layer++) {
			const crest =
				0.5 + layer * 0.12 + 0.05 * Math.sin(x * (5 + layer * 2) + layer * 2.1) + 0.02 * Math.sin(x * 17 + layer * 5);
			if (y > crest)
				colour = mix([214 - layer * 50, 104 - layer * 22, 98 - layer * 12], [40, 24, 58], (y - crest) * 1.6);
		}
		return colour;
	});
}

/** Two wave patterns across each other. */
export function ripples(width: number, height: number): Bitmap {
	return paint(width, height, (x, y) => {
		const near = Math.sin(Math.hypot(x - 0.25, (y - 0.4) * 0.75) * 70);
		const far = Math.sin(Math.hypot(x - 0.85, (y - 0.8) * 0.75) * 52);
		const wave = (near + far) / 4 + 0.5;
		return mix(mix([8, 44, 84], [24, 148, 158], wave * 1.5), [236, 250, 228], wave * 1.8 - 0.9);
	});
}

/** A pavement of coloured cells: each pixel belongs to the nearest of some points. */
export function mosaic(width: number, height: number): Bitmap {
	const random = randomNumbers(11);
	const points = Array.from({ length: 60 }, () => ({ x: random(), y: random(), hue: random() }));
	return paint(width, height, (x, y) => {
		let [first, second, hue] = [9, 9, 0];
		for (const point of points) {
			const distance = Math.hypot(point.x - x, (point.y - y) * (height / width));
			if (distance < first) [second, first, hue] = [first, distance, point.hue];
			else if (distance < second) second = distance;
		}
		const edge = Math.min(1, (second - first) * 60);
		return mix([24, 22, 34], mix(mix([232, 92, 70], [250, 200, 88], hue * 2), [58, 128, 170], hue * 2 - 1), edge);
	});
}

/** Colours in wide sweeps under a strong grain, which no compression takes away: 1 MiB of it stays about 1 MiB. */
export function grain(width: number, height: number): Bitmap {
	const random = randomNumbers(7);
	const bitmap = paint(width, height, (x, y) => [
		140 + 90 * Math.sin(x * 5 + y * 2),
		110 + 80 * Math.sin(y * 4 - x * 3 + 2),
		150 + 80 * Math.cos(x * 3 + y * 5 + 1),
	]);
	const { rgb } = bitmap;
	for (let i = 0; i < rgb.length; i++) {
		const value = (rgb[i] as number) + (random() - 0.5) * 90;
		rgb[i] = Math.max(0, Math.min(255, value));
	}
	return bitmap;
}

/** One picture of a film: a ball on its way, and a bar that shows how much of the film has passed. */
export function filmFrame(width: number, height: number, frame: number, frames: number): Bitmap {
	const passed = frame / Math.max(1, frames - 1);
	const [ballX, ballY] = [0.1 + 0.8 * passed, 0.75 - 0.5 * Math.abs(Math.sin(passed * Math.PI * 3))];
	return paint(width, height, (x, y) => {
		if (y > 0.94) return x <= passed ? [250, 196, 80] : [52, 56, 72];
		const distance = Math.hypot(x - ballX, (y - ballY) * (height / width));
		if (distance < 0.06) return mix([255, 246, 226], [236, 92, 74], distance / 0.06);
		return mix([40, 60, 112], [120, 176, 190], y);
	});
}

/** A colour between `a` (share 0 or less) and `b` (share 1 or more). */
function mix(a: Colour, b: Colour, share: number): Colour {
	const part = Math.max(0, Math.min(1, share));
	return [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part, a[2] + (b[2] - a[2]) * part];
}

/** Numbers from 0 to 1 that look random and are the same on each run: a xorshift generator. */
function randomNumbers(seed: number): () => number {
	let state = seed * 2654435769;
	return () => {
		state ^= state << 13;
		state ^= state >>> 17;
		state ^= state << 5;
		return (state >>> 0) / 2 ** 32;
	};
}
