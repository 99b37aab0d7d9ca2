/**
 * What kind of data bytes are, by how they begin, and how much they are.
 *
 * Law of this file: a guess for people, nothing more: whatever the kind, a download is only bytes.
 */

interface Kind {
  readonly name: string;
  readonly extension: string;
}

const KINDS: readonly (Kind & { readonly begins: readonly number[] })[] = [
  { name: "PNG image", extension: "png", begins: [0x89, 0x50, 0x4e, 0x47] },
  { name: "JPEG image", extension: "jpg", begins: [0xff, 0xd8, 0xff] },
  { name: "GIF image", extension: "gif", begins: [0x47, 0x49, 0x46, 0x38] },
  { name: "PDF document", extension: "pdf", begins: [0x25, 0x50, 0x44, 0x46] },
  { name: "ZIP archive", extension: "zip", begins: [0x50, 0x4b, 0x03, 0x04] },
  { name: "gzip data", extension: "gz", begins: [0x1f, 0x8b] },
  { name: "Zstandard data", extension: "zst", begins: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: "xz data", extension: "xz", begins: [0xfd, 0x37, 0x7a, 0x58, 0x5a] },
  { name: "ELF program", extension: "elf", begins: [0x7f, 0x45, 0x4c, 0x46] },
  { name: "SQLite database", extension: "sqlite", begins: [0x53, 0x51, 0x4c, 0x69, 0x74, 0x65] },
  { name: "Ogg media", extension: "ogg", begins: [0x4f, 0x67, 0x67, 0x53] },
  { name: "WebAssembly module", extension: "wasm", begins: [0x00, 0x61, 0x73, 0x6d] },
];

/** Return what bytes seem to be. */
export function kindOf(bytes: Uint8Array): Kind {
  const known = KINDS.find((kind) => kind.begins.every((byte, index) => bytes[index] === byte));
  if (known !== undefined) return known;
  const riff = ascii(bytes, 0, 4) === "RIFF" ? ascii(bytes, 8, 12) : "";
  if (riff === "WEBP") return { name: "WebP image", extension: "webp" };
  if (riff === "WAVE") return { name: "WAV audio", extension: "wav" };
  return { name: "Binary data", extension: "bin" };
}

/** Return the first bytes in hexadecimal digits. */
export function beginning(bytes: Uint8Array, count = 8): string {
  const shown = [...bytes.subarray(0, count)].map((byte) => byte.toString(16).padStart(2, "0"));
  return shown.join(" ") + (bytes.length > count ? " …" : "");
}

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

const UNITS = ["KiB", "MiB", "GiB"];

/** Return a number of bytes as people read it. */
export function size(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  let value = bytes;
  let unit = -1;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${UNITS[unit] ?? ""}`;
}
