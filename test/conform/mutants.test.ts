import { describe, expect, it } from 'vitest';
import { CASES } from '../../src/conform/cases/all.ts';
import { selectCases } from '../../src/conform/select.ts';
import type { Flaw } from '../support/conform-echo.ts';
import { objectionsTo } from '../support/conform-judge.ts';

/** Each flaw, and cases of which at least one must object to it. */
const MUTANTS: readonly (readonly [flaw: Flaw, cases: string])[] = [
  ['masks as a server, or does not as a client', '1.1.2'],
  ['unmasks wrongly', '1.2.2'],
  ['ignores reserved bits', '3.*'],
  ['sets a reserved bit', '1.1.2'],
  ['ignores reserved opcodes', '4.*'],
  ['sends a reserved opcode', '1.1.2'],
  ['closes with 1000 whatever happened', '3.1,6.3.1,7.9.1'],
  ['sends no Pong', '2.1'],
  ['sends Pongs without the payload', '2.2'],
  ['answers Pongs', '2.7'],
  ['sends Pongs in the wrong order', '2.10'],
  ['sends Pongs after the message', '5.6'],
  ['answers only the last Ping', '2.10'],
  ['takes long Pings', '2.5'],
  ['takes fragmented control frames', '5.1,5.2'],
  ['takes continuations of nothing', '5.9,5.12'],
  ['takes a message within a message', '5.18'],
  ['forgets all fragments but the last', '5.3'],
  ['takes text that is not UTF-8', '6.3.1,6.20.1'],
  ['refuses noncharacters', '6.22.1'],
  ['echoes text as binary', '1.1.1'],
  ['echoes half of a message', '1.2.8'],
  ['echoes twice', '1.1.2'],
  ['echoes large messages wrongly', '9.2.2'],
  ['loses one of many messages', '9.7.2'],
  ['encodes lengths in too many bytes', '1.1.2'],
  ['never answers a Close', '1.1.1,7.1.2'],
  ['never ends TCP', '1.1.1'],
  ['ends TCP without a Close', '1.1.1'],
  ['goes on after a Close', '7.1.3,7.1.4'],
  ['sends after its Close', '1.1.1'],
  ['echoes bad close codes', '7.9.1'],
  ['takes bad reasons', '7.5.1'],
  ['sends half a code', '1.1.1'],
  ['sends a close code that may not be sent', '3.1'],
  ['ignores breaches', '2.5,3.5,4.1.1'],
  ['does nothing at all', '1.1.1,3.1,7.3.2'],
];

/** A server whose client may leave TCP open, and a client whose lengths are masked. */
const NOT_OF_CLIENTS = new Set<Flaw>(['never ends TCP', 'encodes lengths in too many bytes']);

describe('the judge', () => {
  it.each(MUTANTS)('objects to a server that %s', async (flaw, cases) => {
    const objections = await objectionsTo(selectCases(CASES, cases), 'server', flaw);
    expect(objections).not.toEqual([]);
  });

  it.each(MUTANTS.filter(([flaw]) => !NOT_OF_CLIENTS.has(flaw)))(
    'objects to a client that %s',
    async (flaw, cases) => {
      const objections = await objectionsTo(selectCases(CASES, cases), 'client', flaw);
      expect(objections).not.toEqual([]);
    },
  );
});
