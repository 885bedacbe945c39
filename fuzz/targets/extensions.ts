/**
 * Sec-WebSocket-Extensions: the grammar, and the negotiation of permessage-deflate from both sides. A
 * line of the input is the value of one field.
 *
 * @module
 */

import { resolveDeflate } from '../../src/extension/deflate-options.ts';
import {
  answerOffers,
  createDeflateOffer,
  readAnswer,
} from '../../src/extension/deflate-params.ts';
import { formatExtensions, parseExtensions } from '../../src/handshake/extensions-header.ts';
import { mutateBytes } from '../mutation.ts';
import type { Random } from '../random.ts';
import { type Target, check, checkSame } from '../target.ts';

const WORDS = [
  'permessage-deflate',
  'server_no_context_takeover',
  'client_no_context_takeover',
  'server_max_window_bits',
  'client_max_window_bits',
  'x-webkit-deflate-frame',
  '; ',
  ', ',
  '=',
  '"',
  '\\',
  '8',
  '15',
  '010',
  '16',
  '"12"',
  '\t',
  '\n',
  '__proto__',
];

const WAYS = [
  resolveDeflate(true)!,
  resolveDeflate({ contextTakeover: false, peerContextTakeover: false })!,
  resolveDeflate({ windowBits: 10, peerWindowBits: 9 })!,
];

function generate(random: Random): Buffer {
  const offers = Array.from({ length: random.between(1, 3) }, () => {
    const name = random.oneIn(6) ? random.pick(WORDS) : 'permessage-deflate';
    const parameters = Array.from({ length: random.below(5) }, () => {
      const key = random.pick(WORDS.slice(1, 5));
      const hasValue = key.endsWith('bits') ? !random.oneIn(4) : random.oneIn(12);
      const value = random.oneIn(8) ? random.pick(WORDS) : String(random.between(8, 15));
      return hasValue ? `; ${key}=${random.oneIn(4) ? `"${value}"` : value}` : `; ${key}`;
    });
    return name + parameters.join('');
  });
  return Buffer.from(offers.join(random.oneIn(4) ? '\n' : ', '), 'latin1');
}

export const EXTENSIONS: Target = {
  name: 'extensions',
  form: 'text',
  generate,
  mutate: (random, input, other) => mutateBytes(random, input, other, WORDS),

  run(input) {
    const values = input.toString('latin1').split('\n');
    const offers = parseExtensions(values);
    if (offers === null) return 'malformed';
    const written = formatExtensions(offers);
    checkSame(parseExtensions([written]), offers, 'what was written is read otherwise');
    let isAgreed = false;
    for (const options of WAYS) {
      // As a server.
      const answer = answerOffers(offers, options);
      if (answer !== null) {
        isAgreed = true;
        const value = formatExtensions([answer.extension]);
        checkSame(parseExtensions([value]), [answer.extension], 'an answer is read otherwise');
        checkSame(answerOffers(offers, options), answer, 'the same offer has two answers');
        const { ownWindowBits, peerWindowBits } = answer.terms;
        for (const bits of [ownWindowBits, peerWindowBits]) {
          check(Number.isInteger(bits) && bits >= 8 && bits <= 15, 'there is no such window', bits);
        }
      }
      // As a client, of which they are the answer.
      createDeflateOffer(options);
      for (const offer of offers) {
        const terms = readAnswer(offer, [options])?.terms;
        if (terms === undefined) continue;
        isAgreed = true;
        check(terms.ownWindowBits >= 8 && terms.ownWindowBits <= 15, 'there is no such window');
        check(terms.peerWindowBits >= 8 && terms.peerWindowBits <= 15, 'there is no such window');
      }
    }
    return isAgreed ? 'agreed' : 'declined';
  },
};
