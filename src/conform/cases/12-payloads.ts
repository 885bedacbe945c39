/**
 * What the messages of 12.* and 13.* carry: five files of the kinds and lengths that the Autobahn test
 * suite has, made here from a fixed seed. They repeat themselves as much as such files do, and
 * are the same on each run.
 *
 * @module
 */

export interface Source {
  /** What it is, in a title. */
  readonly name: string;
  readonly isBinary: boolean;
  /** Made when it is first asked for. */
  read(): Buffer;
}

/** Numbers that look random, and are the same each time. */
type Random = (below: number) => number;

function randomFrom(seed: number): Random {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** One of a list; the first ones by far the most often, as words are. */
function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.min(random(list.length), random(list.length))]!;
}

/** Text of exactly this many bytes, made of parts. */
function fill(size: number, part: (index: number) => string): Buffer {
  const parts: Buffer[] = [];
  for (let length = 0; length < size; length += parts.at(-1)!.length) {
    parts.push(Buffer.from(part(parts.length), 'latin1'));
  }
  return Buffer.concat(parts, size);
}

function words(text: string): string[] {
  return text.split(' ');
}

const ENGLISH = words(
  'the a of to and in is wire it that frame was for on as with message by at or be this from which ' +
    'server socket close client between reason length before after payload header every number first ' +
    'reserved opcode handshake stream without another extension context window compressed protocol',
);
const GERMAN = words(
  'und die der ich nicht das ein zu in ist du mir sich es so den mit was er wie sie dem mich noch auf ' +
    'nun wenn doch hier dir als Welt Geist Herz Nacht für über Tür Mühe schön süß Wörter Bäche Größe ' +
    'Zweifel Strömung Wächter Gemüt Fluss Brücke Draht Faden gespannt Leitung läuft draußen',
);
const TAGS = words('p div span td li a em section');

/** Records with the same names in each, and values of which most were there before. */
function createJson(): Buffer {
  const random = randomFrom(0x12_0001);
  return fill(194_056, (index) => {
    const record = {
      id: index,
      created: `2013-0${1 + random(9)}-1${random(10)}T12:00:${10 + random(50)}Z`,
      label: `${pick(ENGLISH, random)} ${pick(ENGLISH, random)}`,
      state: pick(['open', 'closed', 'failed'], random),
      tags: [pick(ENGLISH, random), pick(ENGLISH, random)],
      position: { x: random(1000), y: random(1000) },
      owner: random(4) === 0 ? null : { name: pick(ENGLISH, random), isActive: random(3) > 0 },
      limits: { frames: 1 << random(12), bytes: 1 << random(20), seconds: 60 },
    };
    return `${index === 0 ? '[' : ','}\n${JSON.stringify(record, undefined, 2)}`;
  });
}

/** Goes up to `height` and down again. */
function swing(position: number, height: number): number {
  return Math.abs((position % (2 * height)) - height);
}

/** 512 by 512 shades of grey with the noise of a photograph, which hardly compresses. */
function createBitmap(): Buffer {
  const random = randomFrom(0x12_0002);
  const [side, headerSize] = [512, 1078];
  const bytes = Buffer.alloc(headerSize + side * side);
  bytes.write('BM', 'latin1');
  bytes.writeUInt32LE(bytes.length, 2);
  bytes.writeUInt32LE(headerSize, 10);
  // Each shade is its own entry in the table of colours.
  for (let shade = 0; shade < 256; shade++) bytes.writeUInt32LE(shade * 0x01_01_01, 54 + 4 * shade);
  for (let index = 0; index < side * side; index++) {
    const [x, y] = [index % side, Math.floor(index / side)];
    const shade = 20 + swing(x, 110) + swing(x + 2 * y, 90);
    bytes[headerSize + index] = shade + random(10);
  }
  return bytes;
}

/** Lines of some words. Whole lines come again, as they do in verses and in pages. */
function createLines(size: number, list: readonly string[], random: Random): string[] {
  return Array.from({ length: size }, () =>
    Array.from({ length: 4 + random(6) }, () => pick(list, random)).join(' '),
  );
}

/** Verses with umlauts in one byte each (ISO 8859-1): no UTF-8, and so binary. */
function createGerman(): Buffer {
  const random = randomFrom(0x12_0003);
  const lines = createLines(700, GERMAN, random);
  return fill(222_218, (index) => {
    const line = `${pick(lines, random)}${pick([',', '.', ';', '!', '?'], random)}\r\n`;
    return index % 8 === 0 ? `\r\n${line}` : line;
  });
}

function createHtml(): Buffer {
  const random = randomFrom(0x12_0004);
  const lines = createLines(500, ENGLISH, random);
  return fill(263_527, (index) => {
    if (index === 0) return '<!doctype html>\n<html>\n<body>\n';
    const tag = pick(TAGS, random);
    const id = random(3) === 0 ? ` id="part-${index}"` : '';
    const indent = '  '.repeat(random(6));
    return `${indent}<${tag} class="${pick(ENGLISH, random)}"${id}>${pick(lines, random)}</${tag}>\n`;
  });
}

/** Objects of text, and between them streams that are compressed and so do not compress. */
function createPdf(): Buffer {
  const random = randomFrom(0x12_0005);
  return fill(1_042_328, (index) => {
    if (index === 0) return '%PDF-1.4\n';
    const size = random(4) === 0 ? 200 + random(4000) : 0;
    const stream = String.fromCharCode(...Array.from({ length: size }, () => random(256)));
    const body = Array.from(
      { length: 20 },
      () => `${random(600)}.${random(100)} ${random(600)} Td`,
    );
    return (
      `${index} 0 obj\n<< /Type /${pick(['Page', 'Font', 'XObject'], random)} /Length ${size} >>\n` +
      `${body.join('\n')}\nstream\n${stream}\nendstream\nendobj\n`
    );
  });
}

function once(name: string, isBinary: boolean, create: () => Buffer): Source {
  let bytes: Buffer | undefined;
  return { name, isBinary, read: () => (bytes ??= create()) };
}

export const SOURCE: Readonly<Record<'JSON' | 'BITMAP' | 'GERMAN' | 'HTML' | 'PDF', Source>> = {
  JSON: once('JSON', false, createJson),
  BITMAP: once('a bitmap', true, createBitmap),
  GERMAN: once('German text', true, createGerman),
  HTML: once('HTML', false, createHtml),
  PDF: once('a PDF', true, createPdf),
};

/** Cuts a source into messages, from its beginning, and again from there where it ends. */
export class Slices {
  readonly #bytes: Buffer;
  readonly #size: number;
  #at = 0;

  /** @param size of each, not longer than the source */
  constructor(source: Source, size: number) {
    this.#bytes = source.read();
    this.#size = size;
  }

  next(): Buffer {
    const start = this.#at;
    const end = start + this.#size;
    this.#at = end % this.#bytes.length;
    if (end <= this.#bytes.length) return this.#bytes.subarray(start, end);
    return Buffer.concat([this.#bytes.subarray(start), this.#bytes.subarray(0, this.#at)]);
  }
}
