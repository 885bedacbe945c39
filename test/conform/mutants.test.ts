import { describe, expect, it } from 'vitest';
import { CASES } from '../../src/conform/cases/all.ts';
import { isFailure } from '../../src/conform/fail-on.ts';
import { selectCases } from '../../src/conform/select.ts';
import { type Flaw, FLAWS } from '../support/conform-echo.ts';
import { CALM, judge, REAL } from '../support/conform-judge.ts';

const OTHER = 'What came is not what must come.';
const IDLE = 'The peer did not fail the connection.';

/** Each flaw, and the cases that must object to it: all of them, and for this reason. */
const MUTANTS: readonly (readonly [
  flaw: Flaw,
  objections: readonly (readonly [cases: string, why: string])[],
])[] = [
  ['masks as a server, or does not as a client', [['1.1.2', 'mask']]],
  ['unmasks wrongly', [['1.2.2', OTHER]]],
  [
    'ignores reserved bits',
    [
      ['3.1,3.2,3.3,3.4,3.5,3.6', OTHER],
      ['3.7', 'The close code should have been 1002, not 1000.'],
    ],
  ],
  ['sets a reserved bit', [['1.1.2', 'RSV 2 is set, and means nothing here (section 5.2)']]],
  [
    'ignores reserved opcodes',
    [
      ['4.1.1,4.1.2,4.2.1,4.2.2', IDLE],
      ['4.1.3,4.1.4,4.1.5,4.2.3,4.2.4,4.2.5', OTHER],
    ],
  ],
  ['sends a reserved opcode', [['1.1.2', 'Opcode 3 is reserved (section 5.2)']]],
  [
    'closes with 1000 whatever happened',
    [
      ['3.1,7.9.1', 'The close code should have been 1002, not 1000.'],
      ['6.3.1', 'The close code should have been 1007, not 1000.'],
    ],
  ],
  ['sends no Pong', [['2.1', OTHER]]],
  ['sends Pongs without the payload', [['2.2', OTHER]]],
  ['answers Pongs', [['2.7', OTHER]]],
  ['sends Pongs in the wrong order', [['2.10', OTHER]]],
  ['sends Pongs after the message', [['5.6', OTHER]]],
  ['answers only the last Ping', [['2.10', OTHER]]],
  ['takes long Pings', [['2.5', 'A control frame is too long (section 5.5)']]],
  ['takes fragmented control frames', [['5.1', OTHER]]],
  [
    'takes continuations of nothing',
    [
      ['5.9', 'There is no message to continue (section 5.4)'],
      ['5.12', OTHER],
    ],
  ],
  ['takes a message within a message', [['5.18', OTHER]]],
  ['forgets all fragments but the last', [['5.3', OTHER]]],
  ['takes text that is not UTF-8', [['6.3.1,6.20.1', 'A text message is not UTF-8 (section 8.1)']]],
  ['refuses noncharacters', [['6.22.1', OTHER]]],
  ['echoes text as binary', [['1.1.1', OTHER]]],
  ['echoes half of a message', [['1.2.8', OTHER]]],
  ['echoes twice', [['1.1.2', OTHER]]],
  [
    'begins a message before its Close',
    [
      ['1.1.2', 'More came than the answer: a message that was begun, and not ended.'],
      ['9.8.1', 'More came back than was sent.'],
    ],
  ],
  ['echoes large messages wrongly', [['9.2.2', 'What came back is not what was sent.']]],
  ['loses one of many messages', [['9.7.2', 'Message 500 did not come back as it was sent.']]],
  [
    'encodes lengths in too many bytes',
    [['1.1.2', 'A length is not encoded in the fewest bytes (section 5.2)']],
  ],
  ['never answers a Close', [['1.1.1,7.1.2', 'The connection should have been closed cleanly.']]],
  ['never ends TCP', [['1.1.1', 'The connection should have been closed cleanly.']]],
  ['ends TCP without a Close', [['1.1.1', 'The connection should have been closed cleanly.']]],
  [
    'goes on after a Close',
    [['7.1.3,7.1.4', 'A frame came after the Close frame (section 5.5.1)']],
  ],
  ['sends after its Close', [['1.1.1', 'A frame came after the Close frame (section 5.5.1)']]],
  ['echoes bad close codes', [['7.9.1', 'The close code should have been 1002, not 0.']]],
  ['takes bad reasons', [['7.5.1', 'The close code should have been 1002 or 1007, not 1000.']]],
  ['sends half a code', [['1.1.1', 'A Close frame has half a code (section 5.5.1)']]],
  [
    'sends a close code that may not be sent',
    [['3.1', 'Close code 1005 may not be sent (section 7.4)']],
  ],
  ['ignores breaches', [['2.5,3.5,4.1.1', IDLE]]],
  [
    'does nothing at all',
    [
      ['1.1.1', OTHER],
      ['3.1,7.3.2', IDLE],
    ],
  ],
];

/**
 * They do not do what is waited for. All others are seen by what they do: for them, the judge has more
 * patience than the test, so that it cannot be a timeout that objects.
 */
const WAITED_FOR = new Set<Flaw>([
  'does nothing at all',
  'ignores breaches',
  'ignores reserved bits',
  'ignores reserved opcodes',
  'loses one of many messages',
  'never answers a Close',
  'never ends TCP',
  'sends no Pong',
  'takes a message within a message',
  'takes continuations of nothing',
]);

/** A server whose client may leave TCP open, and a client whose lengths are masked. */
const NOT_OF_CLIENTS = new Set<Flaw>(['never ends TCP', 'encodes lengths in too many bytes']);

async function expectObjections(
  tested: 'server' | 'client',
  [flaw, objections]: (typeof MUTANTS)[number],
): Promise<void> {
  const settings = WAITED_FOR.has(flaw) ? CALM : { ...REAL, second: 60_000 };
  for (const [cases, why] of objections) {
    for (const conformCase of selectCases(CASES, cases)) {
      const result = await judge(conformCase, tested, flaw, settings);
      const { id, behavior, sentence, closeSentence } = result;
      expect([id, isFailure(result, 'failed')]).toEqual([id, true]);
      expect(behavior === 'OK' ? closeSentence : sentence).toContain(why);
    }
  }
}

describe('the judge', () => {
  it('knows each flaw', () => {
    expect(MUTANTS.map(([flaw]) => flaw).toSorted()).toEqual([...FLAWS].toSorted());
  });

  it.each(MUTANTS)('objects to a server that %s', (...mutant) =>
    expectObjections('server', mutant),
  );

  it.each(MUTANTS.filter(([flaw]) => !NOT_OF_CLIENTS.has(flaw)))(
    'objects to a client that %s',
    (...mutant) => expectObjections('client', mutant),
  );
});
