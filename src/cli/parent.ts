/**
 * Ending with npm. Told to stop by a signal, `npm run` ends its shell and not what runs in that shell, which
 * would go on with nobody knowing of it.
 *
 * @module
 */

/** Milliseconds between two looks. */
const INTERVAL = 500;

/**
 * Calls `onGone` once the process that has started this one is gone, where that is the shell of
 * `npm run`. (Windows does not tell: there, nothing happens.)
 */
export function watchParent(onGone: () => void): void {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, INTERVAL);
  timer.unref();
}
