// Scenarios of a WebSocket, as a classic script, for a page and for Node: each writes down all that
// it sees, so that implementations can be compared word by word. What follows a "!" is an order to
// the server (hosts.ts).
// oxlint-disable unicorn/prefer-add-event-listener -- handler attributes are to be seen too

/** Writes down what happens to a socket. */
function record(url, protocols) {
  const socket = protocols === undefined ? new WebSocket(url) : new WebSocket(url, protocols);
  const log = [];
  const waiting = [];
  const write = (line) => {
    log.push(line);
    for (const look of waiting) look();
  };
  const state = () => `state ${socket.readyState}`;
  write(`new: ${state()}, "${socket.protocol}", "${socket.extensions}", ${socket.binaryType}`);
  socket.addEventListener('open', (event) => {
    write(`${nameOf(event, socket)}: ${state()}, "${socket.protocol}", "${socket.extensions}"`);
  });
  socket.addEventListener('message', (event) => {
    const { data, origin, lastEventId, ports } = event;
    const rest = `"${lastEventId}", ${event.source === null}, ${ports.length} ports`;
    write(`${nameOf(event, socket)}: ${state()}, ${sayData(data)} from ${origin}, ${rest}`);
  });
  socket.addEventListener('error', (event) => write(`${nameOf(event, socket)}: ${state()}`));
  socket.addEventListener('close', (event) => {
    const how = `${event.code} "${event.reason}" ${event.wasClean ? 'clean' : 'unclean'}`;
    write(`${nameOf(event, socket)}: ${state()}, ${how}`);
  });
  /** Resolves when so many lines begin so. */
  const until = (beginning, count = 1) =>
    new Promise((resolve) => {
      const look = () => {
        if (log.filter((line) => line.startsWith(beginning)).length >= count) resolve();
      };
      waiting.push(look);
      look();
    });
  return { socket, log, write, until };
}

function nameOf(event, socket) {
  const isUsual =
    event.target === socket &&
    event.currentTarget === socket &&
    !event.bubbles &&
    !event.cancelable &&
    event.eventPhase === 2;
  return `${event.constructor.name} ${event.type}${isUsual ? '' : ' (unusual)'}`;
}

function sayData(data) {
  if (typeof data === 'string') {
    return data.length > 40 ? `a text of ${data.length}` : `the text ${JSON.stringify(data)}`;
  }
  return `${data.constructor.name} of ${data.byteLength ?? data.size}`;
}

/** The name of what is thrown. */
function thrown(run) {
  try {
    run();
    return 'nothing thrown';
  } catch (error) {
    return `${error.constructor.name} ${error.name}`;
  }
}

function told(order) {
  return `!${JSON.stringify(order)}`;
}

/** Opens a socket, does something, and waits for the end. */
async function live(url, run, protocols) {
  const recorder = record(url, protocols);
  await recorder.until('Event open');
  await run(recorder);
  await recorder.until('CloseEvent close');
  return recorder.log;
}

const scenarios = {
  async 'a whole life'({ url }) {
    return await live(url, async ({ socket, write, until }) => {
      socket.send('é'.repeat(10));
      write(`waiting ${socket.bufferedAmount}`);
      socket.send(new Uint8Array(1000));
      socket.send(new Uint8Array(1000).subarray(10, 20));
      socket.send(new DataView(new ArrayBuffer(8), 2, 3));
      socket.send(new Uint16Array(3));
      socket.send(new ArrayBuffer(5));
      write(`waiting ${socket.bufferedAmount}`);
      socket.send(new Blob(['a', 'b']));
      write(`waiting ${socket.bufferedAmount}`);
      socket.send('behind the Blob');
      await until('MessageEvent', 8);
      write(`waiting ${socket.bufferedAmount}`);
      socket.binaryType = 'arraybuffer';
      socket.send(new Uint8Array(4));
      await until('MessageEvent', 9);
      socket.binaryType = 'nonsense';
      write(socket.binaryType);
      socket.close(4000, 'genug');
      write(`closing: ${socket.readyState}`);
      socket.send('too late');
      write(`waiting ${socket.bufferedAmount}`);
      socket.close();
      socket.close(4001);
      await until('CloseEvent');
      socket.send(new Uint8Array(10));
      socket.send(new Blob(['abc']));
      write(`waiting ${socket.bufferedAmount}`);
    });
  },

  async 'what becomes a text'({ url }) {
    return await live(url, async ({ socket, write, until }) => {
      const values = [null, undefined, 42, {}, [1, 2], true, '\ud800', 10n];
      for (const value of values) socket.send(value);
      socket.send({ toString: () => 'its own words' });
      write(thrown(() => socket.send()));
      write(thrown(() => socket.send(Symbol('a'))));
      await until('MessageEvent', values.length + 1);
      socket.close();
    });
  },

  async 'a text of every size'({ url }) {
    return await live(url, async ({ socket, until }) => {
      for (const size of [0, 125, 126, 65_535, 65_536]) socket.send('x'.repeat(size));
      await until('MessageEvent', 5);
      socket.close(1000);
    });
  },

  async 'handlers and listeners'({ url }) {
    return await live(url, async ({ socket, write, until }) => {
      write(`${socket.onmessage} ${socket.onopen} ${socket.onerror} ${socket.onclose}`);
      socket.onmessage = () => write('first handler');
      socket.addEventListener('message', () => write('a listener behind it'));
      socket.addEventListener('message', { handleEvent: (event) => write(`object ${event.data}`) });
      socket.addEventListener('message', () => write('once'), { once: true });
      socket.onmessage = function handle(event) {
        write(`second handler ${this === socket} ${event.data}`);
        return false;
      };
      socket.send('1');
      await until('once');
      socket.onmessage = 7;
      write(String(socket.onmessage));
      socket.send('2');
      await until('object 2');
      socket.onmessage = () => write('a handler again');
      socket.send('3');
      await until('a handler again');
      socket.onclose = ({ code }) => write(`closed ${code}`);
      socket.close(3000);
      await until('closed');
    });
  },

  async 'what is wrong'({ url }) {
    const log = [];
    for (const wrong of ['ftp://127.0.0.1/', 'ws://127.0.0.1/#there', 'ws://[', '//:']) {
      log.push(`${wrong} ${thrown(() => new WebSocket(wrong))}`);
    }
    for (const protocols of [['a', 'a'], ['a b'], [''], '', 'a,b', ['A', 'a', 'A']]) {
      log.push(`${JSON.stringify(protocols)} ${thrown(() => new WebSocket(url, protocols))}`);
    }
    log.push(thrown(() => new WebSocket()));
    log.push(thrown(() => WebSocket(url)));
    const { socket, until } = record(url);
    const wrongs = [
      [1001],
      [999],
      [2999],
      [5000],
      [0],
      [null],
      [Number.NaN],
      [-1],
      ['x'],
      [1000.4],
    ];
    wrongs.push([1000, 'x'.repeat(124)], [1000, 'é'.repeat(62)], [70_536]);
    for (const state of ['connecting', 'open']) {
      if (state === 'open') await until('Event open');
      else log.push(thrown(() => socket.send('too early')));
      for (const args of wrongs) {
        if (state === 'connecting' && args[0] === 1000.4) continue;
        log.push(`${state} ${String(args)}: ${thrown(() => socket.close(...args))}`);
      }
      log.push(`${socket.readyState}`);
    }
    await until('CloseEvent');
    return log;
  },

  async constants({ url }) {
    const { socket, until } = record(url);
    const names = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];
    const log = names.map((name) => `${name} ${WebSocket[name]} ${socket[name]}`);
    for (const name of names) {
      const { writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(
        WebSocket,
        name,
      );
      log.push(`${writable} ${enumerable} ${configurable}`);
    }
    log.push(WebSocket.name, `${WebSocket.length}`, Object.prototype.toString.call(socket));
    log.push(`${socket instanceof EventTarget} ${Object.keys(socket).length}`);
    const enumerable = [];
    // (`when` is of the Observable API, which Node does not have.)
    for (const name in socket) if (name !== 'when') enumerable.push(name);
    log.push(enumerable.toSorted().join(' '));
    for (const name of ['url', 'send', 'close', 'binaryType', 'onopen']) {
      const property = Object.getOwnPropertyDescriptor(WebSocket.prototype, name);
      log.push(`${name} ${property.enumerable} ${property.value?.length}`);
    }
    socket.close();
    await until('CloseEvent');
    return log;
  },

  async url({ url }) {
    const address = url.slice('ws://'.length);
    const log = [];
    for (const given of [url, `WS://${address}/a?b=%20 c`, `http://${address}/`, `${url}/x/../é`]) {
      const { socket, until } = record(given);
      log.push(socket.url);
      socket.close();
      await until('CloseEvent');
    }
    return log;
  },

  async 'close before the open'({ url }) {
    const { socket, log, write, until } = record(url);
    socket.close(4000, 'not wanted any more');
    write(`closing: ${socket.readyState}`);
    await until('CloseEvent');
    return log;
  },

  async 'close in the event open'({ url }) {
    const { socket, log, until } = record(url);
    socket.onopen = () => {
      socket.send('hello');
      socket.close(4000, 'hello and goodbye');
    };
    await until('CloseEvent');
    return log;
  },

  async 'close among messages'({ url }) {
    return await live(url, async ({ socket }) => {
      socket.onmessage = ({ data }) => {
        if (data === '3') socket.close(4000);
      };
      for (let i = 0; i < 10; i++) socket.send(`${i}`);
    });
  },

  async 'close without and with'({ url }) {
    const log = [];
    for (const args of [[], [1000], [undefined], [3000.5], ['4000'], [4999, '\ud800']]) {
      log.push(...(await live(url, async ({ socket }) => socket.close(...args))));
    }
    return log;
  },

  async 'closed by the server'({ url }) {
    return await live(url, async ({ socket }) => {
      socket.send('the last');
      socket.send(told({ do: 'close', code: 4321, reason: 'genug für heute' }));
    });
  },

  async 'left by the server'({ url }) {
    return await live(url, async ({ socket, write, until }) => {
      socket.send(told({ do: 'abort' }));
      await until('CloseEvent');
      write(`waiting ${socket.bufferedAmount}`);
    });
  },

  async 'fragments from the server'({ url }) {
    return await live(url, async ({ socket, until }) => {
      socket.send(told({ do: 'fragments', texts: ['Kö', '', 'ln'] }));
      socket.send(told({ do: 'fragments', base64s: ['AAEC', 'AwQF'] }));
      await until('MessageEvent', 2);
      socket.close();
    });
  },

  async 'a refusal'({ url }) {
    const { log, until } = record(`${url}/401`);
    await until('CloseEvent');
    return log;
  },

  async 'a redirect'({ url }) {
    const { log, until } = record(`${url}/302`);
    await until('CloseEvent');
    return log;
  },

  async 'nobody there'({ deaf }) {
    const { log, until } = record(deaf);
    await until('CloseEvent');
    return log;
  },

  async 'a subprotocol that is spoken'({ url }) {
    return await live(url, async ({ socket }) => socket.close(), ['chat.v9', 'chat.v2']);
  },

  async 'no subprotocol that is spoken'({ url }) {
    const { socket, log, until } = record(url, ['chat.v8', 'chat.v9']);
    socket.addEventListener('open', () => socket.close());
    await until('CloseEvent');
    return log;
  },
};

/** What a server must not send, in hexadecimal digits. */
const BREACHES = {
  'a reserved bit': 'c1 01 61',
  'a reserved opcode': '83 00',
  'a masked frame': '81 81 00 00 00 00 61',
  'a text that is no UTF-8': '81 02 c3 28',
  'a text that ends within a character': '81 01 c3',
  'a Ping in fragments': '09 00',
  'a Ping that is too long': '89 7e 00 7e',
  'a continuation of nothing': '80 00',
  'a message within a message': '01 00 81 00',
  'a Close of one byte': '88 01 03',
  'a Close with 1005': '88 02 03 ed',
  'a Close with 999': '88 02 03 e7',
  'a Close with a reason that is no UTF-8': '88 03 03 e8 ff',
  'a length that is too long': '82 7e 00 01 61',
  'a length with its highest bit': '82 7f 80 00 00 00 00 00 00 00',
};
for (const [name, digits] of Object.entries(BREACHES)) {
  scenarios[name] = async ({ url }) => {
    const bytes = digits.split(' ').map((byte) => String.fromCharCode(Number.parseInt(byte, 16)));
    return await live(url, async ({ socket }) => {
      socket.send(told({ do: 'raw', base64: btoa(bytes.join('')) }));
    });
  };
}

globalThis.inPage ??= {};
globalThis.inPage.listScenarios = () => Object.keys(scenarios);
globalThis.inPage.play = ({ name, ...rest }) => scenarios[name](rest);

/** Writes down what a server does, until the end. */
globalThis.inPage.watch = async ({ url, protocols }) => {
  const { log, until } = record(url, protocols);
  await until('CloseEvent');
  return log;
};

/** What comes before the connection is open, or is found not to. */
globalThis.inPage.watchOpening = async ({ url }) => {
  const { log, until } = record(url);
  await Promise.race(['Event open', 'Event error', 'ErrorEvent error'].map((line) => until(line)));
  return log.slice(0, 2);
};

/** As `watch`, and sends something when this text has come. */
globalThis.inPage.watchAndAnswer = async ({ url, last }) => {
  const { socket, log, until } = record(url);
  socket.addEventListener('message', ({ data }) => {
    if (data === last) socket.send('thanks');
  });
  await until('CloseEvent');
  return log;
};
