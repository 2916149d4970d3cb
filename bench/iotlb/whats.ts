/**
 * Things to measure. add: from nothing, in random order; translate: pages in entries; miss: pages
 * between them; delete: every entry of full tables, by its interval. Emptying and filling are not
 * timed.
 */
export const WHATS = ["add", "translate", "miss", "delete"] as const;
export type What = (typeof WHATS)[number];
