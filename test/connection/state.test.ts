import { describe, expect, it } from 'vitest';
import {
  READY_STATE,
  type ReadyState,
  STATE,
  type State,
  Stateful,
  type Transition,
} from '../../src/connection/state.ts';

const { OPEN, CLOSE_SENT, CLOSE_RECEIVED, CLOSED_CLEANLY, FAILED, CLOSED } = STATE;

interface Row {
  name: keyof typeof STATE;
  /** How the state is reached from the beginning. */
  path: Transition[];
  /** Where each transition leads; null where there is none. */
  leads: Record<Transition, State | null>;
  readyState: ReadyState;
  isOpen: boolean;
  isListening: boolean;
}

/** RFC 6455, section 7.1, by hand. */
const ROWS: Row[] = [
  {
    name: 'OPEN',
    path: [],
    leads: {
      SEND_CLOSE: CLOSE_SENT,
      RECEIVE_CLOSE: CLOSE_RECEIVED,
      FAIL: FAILED,
      TRANSPORT_CLOSED: CLOSED,
    },
    readyState: READY_STATE.OPEN,
    isOpen: true,
    isListening: true,
  },
  {
    name: 'CLOSE_SENT',
    path: ['SEND_CLOSE'],
    leads: {
      SEND_CLOSE: null,
      RECEIVE_CLOSE: CLOSED_CLEANLY,
      FAIL: FAILED,
      TRANSPORT_CLOSED: CLOSED,
    },
    readyState: READY_STATE.CLOSING,
    isOpen: false,
    isListening: true,
  },
  {
    name: 'CLOSE_RECEIVED',
    path: ['RECEIVE_CLOSE'],
    leads: {
      SEND_CLOSE: CLOSED_CLEANLY,
      RECEIVE_CLOSE: null,
      FAIL: FAILED,
      TRANSPORT_CLOSED: CLOSED,
    },
    readyState: READY_STATE.CLOSING,
    isOpen: false,
    isListening: false,
  },
  {
    name: 'CLOSED_CLEANLY',
    path: ['RECEIVE_CLOSE', 'SEND_CLOSE'],
    leads: { SEND_CLOSE: null, RECEIVE_CLOSE: null, FAIL: null, TRANSPORT_CLOSED: CLOSED },
    readyState: READY_STATE.CLOSING,
    isOpen: false,
    isListening: false,
  },
  {
    name: 'FAILED',
    path: ['FAIL'],
    leads: { SEND_CLOSE: null, RECEIVE_CLOSE: null, FAIL: null, TRANSPORT_CLOSED: CLOSED },
    readyState: READY_STATE.CLOSING,
    isOpen: false,
    isListening: false,
  },
  {
    name: 'CLOSED',
    path: ['TRANSPORT_CLOSED'],
    leads: { SEND_CLOSE: null, RECEIVE_CLOSE: null, FAIL: null, TRANSPORT_CLOSED: null },
    readyState: READY_STATE.CLOSED,
    isOpen: false,
    isListening: false,
  },
];

const TRANSITIONS: Transition[] = ['SEND_CLOSE', 'RECEIVE_CLOSE', 'FAIL', 'TRANSPORT_CLOSED'];

/** Shows what is a connection's own. */
class Machine extends Stateful {
  get current(): State {
    return this.state;
  }

  override get isOpen(): boolean {
    return super.isOpen;
  }

  override get isListening(): boolean {
    return super.isListening;
  }

  override get isReceiving(): boolean {
    return super.isReceiving;
  }

  override keepReceiving(keeps: boolean): void {
    super.keepReceiving(keeps);
  }

  override apply(transition: Transition): void {
    super.apply(transition);
  }
}

function reach(path: Transition[]): Machine {
  const machine = new Machine();
  for (const transition of path) machine.apply(transition);
  return machine;
}

describe('the state of a connection', () => {
  it('is one of six, each with a number of its own', () => {
    expect(new Set(Object.values(STATE)).size).toBe(6);
    expect(ROWS.map((row) => row.name)).toEqual(Object.keys(STATE));
  });

  it('begins as OPEN', () => {
    expect(new Machine().current).toBe(OPEN);
  });

  it('is CLOSED_CLEANLY whoever sent the first Close', () => {
    expect(reach(['SEND_CLOSE', 'RECEIVE_CLOSE']).current).toBe(CLOSED_CLEANLY);
    expect(reach(['RECEIVE_CLOSE', 'SEND_CLOSE']).current).toBe(CLOSED_CLEANLY);
  });

  describe.each(ROWS)('$name', ({ name, path, leads, readyState, isOpen, isListening }) => {
    it('is reached', () => {
      expect(reach(path).current).toBe(STATE[name]);
      expect(reach(path).readyState).toBe(readyState);
    });

    it('says what may be sent, and what still means something', () => {
      const machine = reach(path);
      expect([machine.isOpen, machine.isListening]).toEqual([isOpen, isListening]);
    });

    for (const transition of TRANSITIONS) {
      const next = leads[transition];
      if (next === null) {
        it(`has no ${transition}, and stays what it is`, () => {
          const machine = reach(path);
          expect(() => machine.apply(transition)).toThrow(
            `the state ${STATE[name]} has no transition ${transition}`,
          );
          expect(machine.current).toBe(STATE[name]);
        });
      } else {
        it(`leads by ${transition} to state ${next}`, () => {
          const machine = reach(path);
          machine.apply(transition);
          expect(machine.current).toBe(next);
        });
      }
    }
  });
});

describe('the readyState of a connection', () => {
  it('counts as the WHATWG standard does, from OPEN on', () => {
    expect(READY_STATE).toEqual({ OPEN: 1, CLOSING: 2, CLOSED: 3 });
  });
});

describe('whether messages are still given out', () => {
  it.each(ROWS)('is said of $name, without and with what the peer sends after our Close', (row) => {
    const machine = reach(row.path);
    expect(machine.isReceiving).toBe(row.isOpen);
    machine.keepReceiving(true);
    expect(machine.isReceiving).toBe(row.name === 'OPEN' || row.name === 'CLOSE_SENT');
    machine.keepReceiving(false);
    expect(machine.isReceiving).toBe(row.isOpen);
  });
});
