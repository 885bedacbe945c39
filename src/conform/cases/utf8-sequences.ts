/**
 * Sequences of bytes that are UTF-8, and such that are not, in the order of the cases 6.5 to 6.23. They
 * go back to Markus Kuhn's test of decoders. Knows nothing of frames.
 *
 * @module
 */

interface Sequence {
  readonly isValid: boolean;
  readonly bytes: Buffer;
}

export interface SequenceGroup {
  readonly title: string;
  readonly sequences: readonly Sequence[];
}

function valid(...hex: readonly string[]): Sequence[] {
  return hex.map((digits) => ({ isValid: true, bytes: Buffer.from(digits, 'hex') }));
}

function invalid(...hex: readonly string[]): Sequence[] {
  return hex.map((digits) => ({ isValid: false, bytes: Buffer.from(digits, 'hex') }));
}

const GREEK = 'cebae1bdb9cf83cebcceb5';
/** Bytes at which a sign of that word ends. */
const GREEK_ENDS = new Set([2, 5, 7, 9, 11]);

function prefixes(): Sequence[] {
  return Array.from({ length: GREEK.length / 2 }, (_, index) => {
    const digits = GREEK.slice(0, 2 * (index + 1));
    return GREEK_ENDS.has(index + 1) ? valid(digits) : invalid(digits);
  }).flat();
}

/** Bytes from `start` to before `end`, each with `after` behind it. */
function range(start: number, end: number, after = ''): string {
  return Array.from(
    { length: end - start },
    (_, index) => (start + index).toString(16) + after,
  ).join('');
}

/** Continuation bytes without a start, from one to six of them in turns. */
const LONELY_CONTINUATIONS = [1, 2, 3, 4, 5, 6].map((count) =>
  '80bf'.repeat(3).slice(0, 2 * count),
);

/** The last byte of each is missing. */
const UNFINISHED = [
  'c0',
  'e080',
  'f08080',
  'f8808080',
  'fc80808080',
  'df',
  'efbf',
  'f7bfbf',
  'fbbfbfbf',
  'fdbfbfbfbf',
] as const;

/** U+FFFE and U+FFFF, and the last two of each plane after it. */
const NONCHARACTERS = Array.from({ length: 17 }, (_, plane) =>
  [0xfffe, 0xffff].map((last) =>
    Buffer.from(String.fromCodePoint(plane * 0x1_0000 + last)).toString('hex'),
  ),
).flat();

const HIGH_SURROGATES = ['eda080', 'edadbf', 'edae80', 'edafbf'] as const;

export const SEQUENCES: readonly SequenceGroup[] = [
  {
    title: 'Signs of one to four bytes',
    sequences: valid(
      '68656c6c6f24776f726c64',
      '68656c6c6fc2a2776f726c64',
      '68656c6c6fe282ac776f726c64',
      '68656c6c6ff0a4ada2776f726c64',
      GREEK,
    ),
  },
  { title: 'Beginnings of a Greek word', sequences: prefixes() },
  { title: 'The first sign of a length', sequences: valid('00', 'c280', 'e0a080', 'f0908080') },
  {
    title: 'The first of five and of six bytes, which are none',
    sequences: invalid('f888808080', 'fc8480808080'),
  },
  { title: 'The last sign of a length', sequences: valid('7f', 'dfbf', 'efbfbf', 'f48fbfbf') },
  {
    title: 'The last of four, five and six bytes, which are none',
    sequences: invalid('f7bfbfbf', 'fbbfbfbfbf', 'fdbfbfbfbfbf'),
  },
  {
    title: 'Beside a limit',
    sequences: [...valid('ed9fbf', 'ee8080', 'efbfbd', 'f48fbfbf'), ...invalid('f4908080')],
  },
  {
    title: 'Continuation bytes alone',
    sequences: invalid('80', 'bf', ...LONELY_CONTINUATIONS.slice(1), range(0x80, 0xbf)),
  },
  {
    title: 'Start bytes alone',
    sequences: invalid(
      range(0xc0, 0xdf, '20'),
      range(0xe0, 0xef, '20'),
      range(0xf0, 0xf7, '20'),
      range(0xf8, 0xfb, '20'),
      range(0xfc, 0xfd, '20'),
    ),
  },
  { title: 'The last byte is missing', sequences: invalid(...UNFINISHED) },
  { title: 'The last byte is missing, ten times', sequences: invalid(UNFINISHED.join('')) },
  { title: 'Bytes that never are', sequences: invalid('fe', 'ff', 'fefeffff') },
  {
    title: 'A slash in too many bytes',
    sequences: invalid('c0af', 'e080af', 'f08080af', 'f8808080af', 'fc80808080af'),
  },
  {
    title: 'The last sign that has too many bytes',
    sequences: invalid('c1bf', 'e09fbf', 'f08fbfbf', 'f887bfbfbf', 'fc83bfbfbfbf'),
  },
  {
    title: 'NUL in too many bytes',
    sequences: invalid('c080', 'e08080', 'f0808080', 'f880808080', 'fc8080808080'),
  },
  {
    title: 'A surrogate',
    sequences: invalid(...HIGH_SURROGATES, 'edb080', 'edbe80', 'edbfbf'),
  },
  {
    title: 'A pair of surrogates',
    sequences: invalid(...HIGH_SURROGATES.flatMap((high) => [`${high}edb080`, `${high}edbfbf`])),
  },
  { title: 'A noncharacter, which is UTF-8', sequences: valid(...NONCHARACTERS) },
  {
    title: 'One of the specials',
    sequences: valid('efbfb9', 'efbfba', 'efbfbb', 'efbfbc', 'efbfbd', 'efbfbe', 'efbfbf'),
  },
];
