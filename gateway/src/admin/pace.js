// How often the gateway is asked how it is.

const EVERY = 2000;
/** At the least, also one that is in trouble. */
const RARELY = 30_000;

/**
 * Milliseconds to leave it alone after it has not answered so many times in a row,
 * or has answered after so many milliseconds: one that answers slowly has enough to
 * do.
 */
export const pause = (failures, took) => Math.min(Math.max(EVERY * 2 ** failures, 10 * took), RARELY);
