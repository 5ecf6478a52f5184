// Addresses that the server names begin at its own root; the page may be served below a prefix.

import { address } from "../wire.js";

export const served = (path) => address(path.replace(/^\/?studio\//, ""));
