// Who visits: a cookie holds a secret, the secret leads to the visitor.
import { randomBytes, randomInt } from 'node:crypto';

const COOKIE = 'visitor';
const MAX_VISITORS = 10_000;
const COLOURS = ['Amber', 'Azure', 'Coral', 'Golden', 'Indigo', 'Ivory', 'Olive', 'Silver'];
const ANIMALS = ['Badger', 'Crane', 'Dolphin', 'Fox', 'Heron', 'Lynx', 'Otter', 'Wren'];

const pick = (list) => list[randomInt(list.length)];

export class Visitors {
  #bySecret = new Map();
  #attributes;

  /** @param {boolean} isSecure whether the cookie is for https only */
  constructor(isSecure) {
    this.#attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
  }

  /** The visitor whose cookie this is, or undefined. */
  find(cookies) {
    return this.#bySecret.get(cookies[COOKIE]);
  }

  /** Gives a request without a cookie that we know a new one. */
  greet(request, response) {
    const secret = new RegExp(`(?:^|; )${COOKIE}=([\\w-]+)`).exec(
      request.headers.cookie ?? '',
    )?.[1];
    if (this.#bySecret.has(secret)) return;
    const fresh = randomBytes(16).toString('base64url');
    const name = `${pick(COLOURS)} ${pick(ANIMALS)}`;
    this.#bySecret.set(fresh, { id: randomBytes(8).toString('hex'), name, windows: 0 });
    response.setHeader('Set-Cookie', `${COOKIE}=${fresh}; ${this.#attributes}`);
    // The oldest is forgotten, and gets a new name with the next page.
    if (this.#bySecret.size > MAX_VISITORS) {
      this.#bySecret.delete(this.#bySecret.keys().next().value);
    }
  }
}
