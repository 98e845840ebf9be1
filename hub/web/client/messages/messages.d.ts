/** Importing one of these modules adds its language to the elements of hub-inbox.js. */

import type { Catalogue } from "../hub-inbox.js";

declare const catalogue: Catalogue;
export default catalogue;
