/** The module as the example's page gets it, with its clients in reach of the test. */

import { type ClientOptions, Client as Own } from "../../src/index.js";

export * from "../../src/index.js";

export const made: Own[] = [];

export class Client extends Own {
  constructor(options: ClientOptions) {
    super(options);
    made.push(this);
  }
}
