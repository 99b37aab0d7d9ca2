/** Node 18 has the `crypto` that browsers have, but not under that name: see README.md. */

import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto as Crypto;
