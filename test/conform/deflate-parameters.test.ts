import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DeflateParameters,
  readExtensions,
  readParameters,
  writeParameters,
} from '../../src/conform/deflate-parameters.ts';

function read(text: string, kind: 'offer' | 'answer'): DeflateParameters {
  return readParameters(readExtensions(text)[0]!, kind);
}

const NOTHING: DeflateParameters = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: undefined,
  clientMaxWindowBits: undefined,
};

describe('the list of extensions', () => {
  it('has names, and parameters with or without a value, in order', () => {
    expect(readExtensions('a, b;c;d=1 ; e = "2" ,\tf')).toEqual([
      { name: 'a', parameters: [] },
      {
        name: 'b',
        parameters: [
          ['c', undefined],
          ['d', '1'],
          ['e', '2'],
        ],
      },
      { name: 'f', parameters: [] },
    ]);
  });

  it('may be empty, and may have empty elements', () => {
    expect(readExtensions('')).toEqual([]);
    expect(readExtensions(' , a,, b ,').map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('takes the escapes out of a value in quotes', () => {
    expect(readExtensions('a; b="1\\5"')[0]!.parameters).toEqual([['b', '15']]);
  });

  it.each(['a b', 'a;', 'a; =1', 'a; b=', 'a; b="1', 'a; b=1 2', '"a"', ';a', 'a; b="1"2'])(
    'refuses %s',
    (text) => {
      expect(() => readExtensions(text)).toThrow('no list of extensions');
    },
  );

  it.each(['a; b=""', 'a; b="1 2"', 'a; b="1\\;"'])(
    'refuses %s, as what is in quotes is no token',
    (text) => {
      expect(() => readExtensions(text)).toThrow('no token');
    },
  );
});

describe('the parameters of permessage-deflate', () => {
  it('are nothing by default', () => {
    expect(read('permessage-deflate', 'offer')).toEqual(NOTHING);
    expect(read('permessage-deflate', 'answer')).toEqual(NOTHING);
  });

  it('may all be there', () => {
    const text =
      'permessage-deflate; client_max_window_bits=8; server_max_window_bits="15"; ' +
      'client_no_context_takeover; server_no_context_takeover';
    expect(read(text, 'answer')).toEqual({
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 15,
      clientMaxWindowBits: 8,
    });
  });

  it('may leave the window of the client open in an offer, and not in an answer', () => {
    const text = 'permessage-deflate; client_max_window_bits';
    expect(read(text, 'offer').clientMaxWindowBits).toBe(true);
    expect(() => read(text, 'answer')).toThrow('is nothing');
  });

  it.each(['7', '16', '08', '015', '1e1', '+9', '-9', '9.0', '0x9', '٩'])(
    'have no window of %s',
    (bits) => {
      for (const name of ['server_max_window_bits', 'client_max_window_bits']) {
        const extension = { name: 'permessage-deflate', parameters: [[name, bits]] } as const;
        expect(() => readParameters(extension, 'offer')).toThrow('from 8 to 15');
      }
    },
  );

  it('must say how large the window of the server is', () => {
    expect(() => read('permessage-deflate; server_max_window_bits', 'offer')).toThrow('is nothing');
  });

  it.each(['server_no_context_takeover', 'client_no_context_takeover'])(
    'have no value for %s',
    (name) => {
      expect(() => read(`permessage-deflate; ${name}=1`, 'offer')).toThrow('has a value');
    },
  );

  it('do not stand twice', () => {
    const name = 'server_no_context_takeover';
    expect(() => read(`permessage-deflate; ${name}; ${name}`, 'answer')).toThrow('stands twice');
  });

  it.each(['foo', 'constructor', '__proto__', 'toString', 'Server_No_Context_Takeover'])(
    'do not include %s',
    (name) => {
      expect(() => read(`permessage-deflate; ${name}`, 'offer')).toThrow('is no parameter');
    },
  );

  it('are read as they were written', () => {
    const bits = fc.option(fc.integer({ min: 8, max: 15 }), { nil: undefined });
    const parameters = fc.record<DeflateParameters>({
      serverNoContextTakeover: fc.boolean(),
      clientNoContextTakeover: fc.boolean(),
      serverMaxWindowBits: bits,
      clientMaxWindowBits: fc.oneof(bits, fc.constant(true as const)),
    });
    fc.assert(
      fc.property(parameters, (some) => {
        expect(read(writeParameters(some), 'offer')).toEqual(some);
      }),
    );
  });
});
