// What the environment says: HOST, PORT, and KEY with CERT. What cannot be ends the process with one
// line that says why. A variable that is set, but empty, counts as left out.
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

const { HOST, PORT, KEY, CERT } = process.env;

export const host = HOST || '127.0.0.1';
export const port = Number(PORT || 3000);
if (!/^\d{0,5}$/.test(PORT ?? '') || port > 65_535) {
  giveUp(`PORT is a number from 0 to 65535, and not ${JSON.stringify(PORT)}`);
}
if (!KEY !== !CERT) giveUp('https needs both KEY and CERT: the paths of two PEM files');
/** Key and certificate, or undefined for plain http. */
export let tls;
try {
  if (KEY && CERT) tls = { key: readFileSync(KEY), cert: readFileSync(CERT) };
  createSecureContext(tls);
} catch (error) {
  giveUp(`KEY and CERT are no key and its certificate: ${error.message}`);
}

export function giveUp(why) {
  console.error(why);
  process.exit(1);
}
