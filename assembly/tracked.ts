/**
 * Entry of the tracked build: the whole core, and the search that listens to what steps touch.
 * scripts/tracked.mjs makes every load and store of it, but those of the search itself, heard.
 */
export * from "./index";
export * from "./reduce/track";
export * from "./reduce/search";
