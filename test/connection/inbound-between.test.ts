import { describe, expect, it } from 'vitest';
import { Feed } from '../support/inbound-feed.ts';

const CONTINUATION = 0;
const TEXT = 1;
const PING = 9;

describe('the frames of a peer', () => {
  it('stand between messages before the first and behind each', () => {
    const feed = new Feed();
    const { inbound } = feed;
    expect(inbound.isBetweenMessages).toBe(true);
    feed.frame(TEXT, true, 'whole');
    expect(inbound.isBetweenMessages).toBe(true);
    feed.frame(TEXT, false, 'begun');
    expect(inbound.isBetweenMessages).toBe(false);
    feed.frame(PING, true, 'ping');
    expect(inbound.isBetweenMessages).toBe(false);
    feed.frame(CONTINUATION, true, '');
    expect(inbound.isBetweenMessages).toBe(true);
  });

  it('do not within a message whose first frame has no payload yet', () => {
    const feed = new Feed();
    feed.inbound.onHead(TEXT, false, false, 0);
    expect(feed.inbound.isBetweenMessages).toBe(false);
  });

  it('do not within a control frame that comes in pieces', () => {
    const feed = new Feed();
    feed.inbound.onHead(PING, true, false, 4);
    feed.piece(Buffer.from('pi'), 2);
    expect(feed.inbound.isBetweenMessages).toBe(false);
    feed.piece(Buffer.from('ng'), 0);
    expect(feed.inbound.isBetweenMessages).toBe(true);
  });

  it('do not while the next message is wanted in pieces, or none is wanted', () => {
    const { inbound } = new Feed();
    inbound.giveInPieces(true);
    expect(inbound.isBetweenMessages).toBe(false);
    inbound.giveInPieces(false);
    expect(inbound.isBetweenMessages).toBe(true);
    inbound.discardMessages();
    expect(inbound.isBetweenMessages).toBe(false);
  });

  it('stand between messages again where one was given in pieces, or given up', () => {
    const feed = new Feed();
    const { inbound } = feed;
    inbound.giveInPieces(true);
    feed.frame(TEXT, false, 'é'.slice(0, 1));
    inbound.giveInPieces(false);
    expect(inbound.isBetweenMessages).toBe(false);
    feed.frame(CONTINUATION, true, 'end');
    expect(inbound.isBetweenMessages).toBe(true);
    feed.frame(TEXT, false, 'begun');
    inbound.release();
    expect(inbound.isBetweenMessages).toBe(true);
  });
});
