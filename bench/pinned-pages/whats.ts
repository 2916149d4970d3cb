/**
 * Things to measure. pin: every page once, from nothing; lookup: frames of pinned pages; unpin: all
 * of a full store; repin: pinned pages once more; walk: all, ascending. Emptying, filling and
 * giving back are not timed.
 */
export const WHATS = ["pin", "lookup", "unpin", "repin", "walk"] as const;
export type What = (typeof WHATS)[number];
