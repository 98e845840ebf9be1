/** Importing one of these modules adds its language to the elements of hub-inbox.js. */
export {};
