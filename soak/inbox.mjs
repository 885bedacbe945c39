// What one connection gets, held to what it must get. `ClientInbox` is that of a client: its echoes, the
// topics it has subscribed to, the broadcasts and a feed. `ServerInbox` is that of the server. Neither
// knows a socket.
import { KIND, readMessage, sizeOf, tinyMessage } from './message.mjs';
import { Sequence } from './sequence.mjs';

const NAMES = { lost: 'lost', duplicated: 'duplicated', disordered: 'out of order' };

/** Tells the ledger how numbers came. */
function judge(ledger, sequence, number, where) {
  const due = sequence.next;
  const verdict = sequence.take(number);
  if (verdict === 'due') return;
  ledger.deviate(
    NAMES[verdict],
    `${where}: number ${number} came, ${due} was due`,
    verdict === 'lost' ? number - due : 1,
  );
}

export class ServerInbox {
  #connection;
  #ledger;
  #sequence = new Sequence();

  constructor(connection, ledger) {
    this.#connection = connection;
    this.#ledger = ledger;
  }

  /** How many messages came. */
  get count() {
    return this.#sequence.next;
  }

  /**
   * @param {string | Uint8Array} message
   * @returns what stands in it; null for one that is to be echoed, and nothing else
   */
  take(message) {
    const where = `to the server, connection ${this.#connection}`;
    this.#ledger.count('messages.to the server');
    this.#ledger.count('bytes', sizeOf(message));
    const content = readMessage(message);
    if (content === null) {
      const due = this.#sequence.next;
      const isDue = `${message}` === tinyMessage(this.#connection, due, message.length);
      if (!isDue) this.#ledger.deviate('corrupted', `${where}: in place of number ${due}`);
      this.#sequence.take(due);
      return null;
    }
    if (content.sender !== this.#connection)
      this.#ledger.deviate('corrupted', `${where}: a message of connection ${content.sender}`);
    judge(this.#ledger, this.#sequence, content.sequence, where);
    return content.kind === KIND.ECHO ? null : content;
  }
}

export class ClientInbox {
  #connection;
  #ledger;
  #where;
  /** What was sent and did not come back yet. */
  #echoes = [];
  /** By topic, where one has subscribed. */
  #topics = new Map();
  #broadcast = null;
  #feed = new Sequence();
  #waiting = [];
  isWelcome = false;
  /** The last that the server says, about all that was before. */
  answer = null;

  /**
   * @param {number} connection
   * @param {import('./ledger.mjs').Ledger} ledger
   * @param {string} where - which connection that is, for who reads it
   */
  constructor(connection, ledger, where) {
    this.#connection = connection;
    this.#ledger = ledger;
    this.#where = where;
  }

  get pendingEchoes() {
    return this.#echoes.length;
  }

  /** A message was sent that must come back as it is. */
  expectEcho(sequence, message) {
    const checksum = readMessage(message)?.checksum ?? `${message}`;
    this.#echoes.push({ sequence, checksum, binary: typeof message !== 'string' });
  }

  /** Resolves when `isSo` says so, which is asked after each message. */
  until(isSo) {
    if (isSo()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push({ isSo, resolve });
    });
  }

  take(message, binary) {
    this.#ledger.count('messages.to clients');
    this.#ledger.count('bytes', sizeOf(message));
    this.sort(message, binary);
    this.#waiting = this.#waiting.filter(({ isSo, resolve }) => {
      const isDone = isSo();
      if (isDone) resolve();
      return !isDone;
    });
  }

  sort(message, binary) {
    const content = readMessage(message);
    if (content === null) {
      this.takeEcho(null, `${message}`, binary);
      return;
    }
    const { kind, sender, sequence, body } = content;
    const isOwn = sender === this.#connection;
    if (kind === KIND.TOPIC || kind === KIND.PUBLISHED) this.takeTopic(sender, sequence);
    else if (kind === KIND.BROADCAST) this.takeBroadcast(sequence);
    else if (!isOwn) this.#ledger.deviate('corrupted', `${this.#where}: a message for ${sender}`);
    else if (kind === KIND.WELCOME) this.beWelcome(JSON.parse(body));
    else if (kind === KIND.ANSWER) this.takeAnswer(JSON.parse(body));
    else if (kind === KIND.FED) this.#feed.take(sequence);
    else this.takeEcho(sequence, content.checksum, binary);
  }

  beWelcome({ topics, broadcast }) {
    if (this.isWelcome) this.#ledger.deviate('duplicated', `${this.#where}: the welcome`);
    this.isWelcome = true;
    for (const [topic, next] of Object.entries(topics))
      this.#topics.set(Number(topic), new Sequence(next));
    this.#broadcast = new Sequence(broadcast);
  }

  takeTopic(topic, number) {
    const sequence = this.#topics.get(topic);
    const where = `${this.#where}, topic ${topic}`;
    if (sequence === undefined || this.answer !== null)
      this.#ledger.deviate('corrupted', `${where}: not subscribed to`);
    else {
      this.#ledger.count('messages.published');
      judge(this.#ledger, sequence, number, where);
    }
  }

  takeBroadcast(number) {
    const where = `${this.#where}, broadcast`;
    if (this.#broadcast === null || this.answer !== null)
      this.#ledger.deviate('corrupted', `${where}: none was due`);
    else {
      this.#ledger.count('messages.broadcast');
      judge(this.#ledger, this.#broadcast, number, where);
    }
  }

  /** @param {number | null} sequence - null where there is no room for it in the message */
  takeEcho(sequence, checksum, binary) {
    const isIt = (echo) =>
      echo.checksum === checksum &&
      echo.binary === binary &&
      (sequence === null || echo.sequence === sequence);
    const at = this.#echoes.findIndex(isIt);
    const due = this.#echoes[0]?.sequence ?? 'nothing';
    if (at === 0) {
      this.#ledger.count('messages.echoed');
      this.#echoes.shift();
    } else if (at > 0) {
      this.#ledger.deviate('lost', `${this.#where}: the echo of ${due}`, at);
      this.#echoes.splice(0, at + 1);
    } else if (sequence !== null && sequence < (this.#echoes[0]?.sequence ?? Infinity)) {
      this.#ledger.deviate('duplicated', `${this.#where}: the echo of ${sequence}`);
    } else {
      this.#ledger.deviate('corrupted', `${this.#where}: the echo of ${due}`);
    }
  }

  takeAnswer(answer) {
    if (this.answer !== null) this.#ledger.deviate('duplicated', `${this.#where}: the answer`);
    this.answer = answer;
  }

  /**
   * Nothing more is to come, since the answer to the last message is there.
   *
   * @param {number} sent - messages, the last one included
   */
  finish(sent) {
    const ledger = this.#ledger;
    const { received, topics, broadcast, fed, dropped } = this.answer;
    ledger.deviate('lost', `${this.#where}: echoes at the end`, this.#echoes.length);
    ledger.deviate('lost', `${this.#where}: to the server at the end`, sent - received);
    for (const [topic, next] of Object.entries(topics)) {
      const missing = next - this.#topics.get(Number(topic)).next;
      ledger.deviate('lost', `${this.#where}, topic ${topic}: at the end`, missing);
    }
    const missing = broadcast - this.#broadcast.next;
    ledger.deviate('lost', `${this.#where}, broadcast: at the end`, missing);
    // What a policy dropped is not lost: the socket of the server knows how many it were.
    this.#feed.skipTo(fed);
    const { lost, duplicated, disordered } = this.#feed;
    const where = `${this.#where}, feed`;
    ledger.count('messages.dropped by a policy', dropped);
    ledger.deviate('lost', `${where}: ${dropped} were dropped`, Math.max(0, lost - dropped));
    ledger.deviate(
      'duplicated',
      `${where}: ${dropped} dropped, ${lost} missing`,
      Math.max(0, dropped - lost),
    );
    ledger.deviate('duplicated', where, duplicated);
    ledger.deviate('out of order', where, disordered);
  }
}
