/*
 * The load generator: many clients in one thread, which send bytes that were made beforehand and
 * count the frames that come back. It knows frames only as far as it takes to count them, so that it
 * costs less than any server that it measures.
 *
 *   load MODE --port N --connections N --script FILE [--seconds S] [--warmup S] [--pid PID]
 *        [--extensions VALUE] [--path PATH] [--reads 0]
 *
 * MODE  echo       each connection sends a burst, and the next one when all its answers are there
 *       broadcast  the first connection sends a burst, and the next one when all connections have
 *                  all answers; an answer at each connection is a message
 *       open       each connection is opened, closed with 1000, and opened again; a message is that
 *       flood      the first connection sends the first burst, and again when it is answered; all others
 *                  send the second burst without pause, and read what comes or, with --reads 0, do
 *                  not. A message is one of the first
 *
 * FILE holds bursts: three 32-bit numbers (little-endian: bytes of the burst, frames that each
 * connection gets for it, bytes of their payloads in all, or 2^32-1 where that is not known) and the
 * bytes. They are sent in turn.
 *
 * Prints one line of JSON: messages, seconds, the processor time that the process PID took in those
 * seconds (nanoseconds of all its threads; user and system, in the coarser clock of the kernel), and
 * our own. For a flood also how long the answers to the first connection took (milliseconds), and how
 * many of the others the server closed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 1 << 18, MAX_HEAD = 4096, MAX_EVENTS = 1024, CLOSE = 8, PING = 9, PONG = 10 };

struct burst {
  const uint8_t *bytes;
  uint32_t size, frames, payload;
};

struct connection {
  int fd;
  /* What is written: a burst, or the handshake. */
  const uint8_t *out;
  size_t out_left;
  bool waits_to_write;
  /* The handshake's answer, until its end. */
  bool open;
  uint32_t head_size;
  char head[MAX_HEAD];
  /* The frame that is read. */
  uint8_t header[10];
  uint32_t header_size;
  uint64_t payload_left;
  /* Answers to the burst. */
  uint32_t burst;
  uint32_t frames;
  uint64_t payload;
};

static struct {
  const char *mode, *extensions, *path;
  int port, connections;
  double seconds, warmup;
  long pid;
  bool reads;
} options = {.reads = true, .extensions = NULL, .path = "/", .connections = 1, .seconds = 2, .warmup = 1};

static struct burst *bursts;
static uint32_t burst_count;
static char request[2048];
static size_t request_size;
static const uint8_t close_frame[] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8};
static struct connection *connections;
static int epoll;
static uint64_t messages;
static int complete; /* connections of a broadcast that have all answers */
static int opened;
static int due; /* connections that are to open before we go on */
static uint8_t input[READ_SIZE];
static double asked; /* when the first connection of a flood sent its burst */
static double *latencies;
static size_t latency_count, latency_room;
static int closed;

static void fail(const char *what) {
  fprintf(stderr, "load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_of(long pid) {
  clockid_t clock;
  struct timespec t;
  if (pid == 0) return 0;
  if (clock_getcpuclockid((pid_t)pid, &clock) != 0 || clock_gettime(clock, &t) != 0) fail("the server has ended");
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* User and system time in ticks. */
static void ticks_of(long pid, unsigned long *user, unsigned long *system) {
  char path[64], line[1024];
  *user = *system = 0;
  if (pid == 0) return;
  snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  FILE *file = fopen(path, "r");
  if (file == NULL || fgets(line, sizeof line, file) == NULL) fail("cannot read the server's times");
  fclose(file);
  /* The name, in brackets, may hold anything. */
  const char *at = strrchr(line, ')');
  if (at == NULL || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", user, system) != 2)
    fail("cannot read the server's times");
}

static void read_script(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail(path);
  fseek(file, 0, SEEK_END);
  size_t size = (size_t)ftell(file);
  rewind(file);
  uint8_t *bytes = malloc(size ? size : 1);
  if (fread(bytes, 1, size, file) != size) fail(path);
  fclose(file);
  bursts = calloc(size / 12 + 1, sizeof *bursts);
  for (size_t at = 0; at + 12 <= size;) {
    uint32_t numbers[3];
    memcpy(numbers, bytes + at, 12);
    bursts[burst_count++] = (struct burst){bytes + at + 12, numbers[0], numbers[1], numbers[2]};
    at += 12 + numbers[0];
  }
}

static void watch(struct connection *c, uint32_t events, int how) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(epoll, how, c->fd, &event) != 0) fail("epoll_ctl");
}

static void write_out(struct connection *c) {
  while (c->out_left > 0) {
    ssize_t n = send(c->fd, c->out, c->out_left, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN) fail("send");
      if (!c->waits_to_write) watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
      c->waits_to_write = true;
      return;
    }
    c->out += n;
    c->out_left -= (size_t)n;
  }
  if (c->waits_to_write) watch(c, EPOLLIN, EPOLL_CTL_MOD);
  c->waits_to_write = false;
}

static void send_bytes(struct connection *c, const uint8_t *bytes, size_t size) {
  c->out = bytes;
  c->out_left = size;
  write_out(c);
}

static void send_burst(struct connection *c) {
  const struct burst *burst = &bursts[c->burst];
  c->burst = (c->burst + 1) % burst_count;
  send_bytes(c, burst->bytes, burst->size);
}

/* The burst whose answers a connection waits for: in a broadcast that of the sender. */
static const struct burst *awaited(const struct connection *c) {
  if (*options.mode == 'f') return &bursts[0];
  const struct connection *sender = *options.mode == 'b' ? &connections[0] : c;
  return &bursts[(sender->burst + burst_count - 1) % burst_count];
}

static void open_connection(struct connection *c) {
  static uint32_t number;
  memset(c, 0, sizeof *c);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) fail("socket");
  int yes = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  struct sockaddr_in address = {.sin_family = AF_INET};
  /* Each address has ports of its own, of which those of closed connections rest for a minute. */
  address.sin_addr.s_addr = htonl(0x7f000002 + number++ % 64);
  if (bind(c->fd, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
  address.sin_port = htons((uint16_t)options.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) fail("connect");
  c->out = (const uint8_t *)request;
  c->out_left = request_size;
  c->waits_to_write = true;
  watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

static void ask(struct connection *c) {
  asked = now();
  send_bytes(c, bursts[0].bytes, bursts[0].size);
}

static void note_latency(void) {
  if (latency_count == latency_room) {
    latency_room = latency_room ? 2 * latency_room : 4096;
    latencies = realloc(latencies, latency_room * sizeof *latencies);
    if (latencies == NULL) fail("no memory");
  }
  latencies[latency_count++] = (now() - asked) * 1e3;
}

/* A turn of one that floods: once more the burst, as far as it goes, and one read. */
static void flood(struct connection *c, uint32_t events) {
  ssize_t n = 1;
  if (events & EPOLLOUT) {
    if (c->out_left == 0) {
      c->out = bursts[1].bytes;
      c->out_left = bursts[1].size;
    }
    n = send(c->fd, c->out, c->out_left, MSG_NOSIGNAL);
    if (n > 0) {
      c->out += n;
      c->out_left -= (size_t)n;
    }
  }
  if (n > 0 && options.reads && (events & EPOLLIN)) n = recv(c->fd, input, READ_SIZE, 0);
  if (n > 0 && (events & (EPOLLHUP | EPOLLERR)) == 0) return;
  if (n < 0 && errno == EAGAIN) return;
  close(c->fd);
  closed++;
}

static void start_flood(void) {
  for (int i = 1; i < options.connections; i++)
    watch(&connections[i], EPOLLOUT | (options.reads ? EPOLLIN : 0), EPOLL_CTL_MOD);
  ask(&connections[0]);
}

static void start(struct connection *c) {
  if (*options.mode == 'o') {
    send_bytes(c, close_frame, sizeof close_frame);
    return;
  }
  /* Those that are open would keep the server from those that are not. */
  if (opened < options.connections) return;
  if (*options.mode == 'f') start_flood();
  else if (*options.mode == 'b') send_burst(&connections[0]);
  else for (int i = 0; i < options.connections; i++) send_burst(&connections[i]);
}

static void finish_frame(struct connection *c, uint8_t opcode) {
  if (opcode == PONG) return;
  if (opcode == CLOSE && *options.mode == 'o') return;
  if (opcode >= CLOSE) fail(opcode == PING ? "the server sent a Ping" : "the server closed");
  if ((c->header[0] & 0x80) == 0) return;
  const struct burst *burst = awaited(c);
  c->frames++;
  if (*options.mode == 'b') messages++;
  if (c->frames < burst->frames) return;
  if (burst->payload != UINT32_MAX && c->payload != burst->payload) fail("the answers have another size than was expected");
  c->frames = 0;
  c->payload = 0;
  if (*options.mode == 'e') {
    messages += burst->frames;
    send_burst(c);
  } else if (*options.mode == 'f') {
    messages++;
    note_latency();
    ask(c);
  } else if (++complete == options.connections) {
    complete = 0;
    send_burst(&connections[0]);
  }
}

/* Counts frames in what was read. */
static void take(struct connection *c, const uint8_t *at, const uint8_t *end) {
  while (at < end) {
    if (c->payload_left > 0) {
      uint64_t n = (uint64_t)(end - at) < c->payload_left ? (uint64_t)(end - at) : c->payload_left;
      at += n;
      c->payload_left -= n;
      if (c->payload_left == 0) {
        c->header_size = 0;
        finish_frame(c, c->header[0] & 15);
      }
      continue;
    }
    c->header[c->header_size++] = *at++;
    if (c->header_size < 2) continue;
    uint32_t length = c->header[1] & 0x7f;
    uint32_t need = length < 126 ? 2 : length == 126 ? 4 : 10;
    if (c->header_size < need) continue;
    uint64_t size = length;
    if (need > 2) {
      size = 0;
      for (uint32_t i = 2; i < need; i++) size = size << 8 | c->header[i];
    }
    if ((c->header[0] & 15) < CLOSE) c->payload += size;
    /* Masked, where a server only sends back what it gets: the key is in the way. */
    if (c->header[1] & 0x80) size += 4;
    c->payload_left = size;
    if (size == 0) {
      c->header_size = 0;
      finish_frame(c, c->header[0] & 15);
    }
  }
}

static void take_head(struct connection *c, const uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (c->head_size == MAX_HEAD) fail("the answer to the handshake has no end");
    c->head[c->head_size++] = (char)bytes[i];
    if (c->head_size < 4 || memcmp(c->head + c->head_size - 4, "\r\n\r\n", 4) != 0) continue;
    if (c->head_size < 12 || memcmp(c->head + 9, "101", 3) != 0) {
      fprintf(stderr, "%.*s\n", (int)c->head_size, c->head);
      fail("the handshake was refused");
    }
    if (options.extensions != NULL && memmem(c->head, c->head_size, "permessage-deflate", 18) == NULL)
      fail("the extension was not accepted");
    c->open = true;
    opened++;
    start(c);
    take(c, bytes + i + 1, bytes + size);
    return;
  }
}

static void read_in(struct connection *c) {
  for (;;) {
    ssize_t n = recv(c->fd, input, READ_SIZE, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      if (*options.mode != 'o' || !c->open) fail(n == 0 ? "the server hung up" : "recv");
      close(c->fd);
      messages++;
      open_connection(c);
      return;
    }
    if (c->open) take(c, input, input + n);
    else take_head(c, input, (size_t)n);
    if (n < READ_SIZE) return;
  }
}

static void run_until(double end, bool until_open) {
  struct epoll_event events[MAX_EVENTS];
  for (;;) {
    if (until_open ? opened == due : now() >= end) return;
    if (until_open && now() >= end) fail("the connections did not open in time");
    int n = epoll_wait(epoll, events, MAX_EVENTS, 100);
    if (n < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < n; i++) {
      struct connection *c = events[i].data.ptr;
      if (*options.mode == 'f' && opened == options.connections && c != connections) {
        flood(c, events[i].events);
        continue;
      }
      if (events[i].events & EPOLLOUT) write_out(c);
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_in(c);
    }
  }
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void print_latency(void) {
  note_latency(); /* of the answer that is still awaited */
  qsort(latencies, latency_count, sizeof *latencies, compare);
  printf(",\"latency\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f},\"closed\":%d",
         latencies[latency_count / 2], latencies[latency_count * 99 / 100], latencies[latency_count - 1], closed);
}

static void prepare_request(void) {
  request_size = (size_t)snprintf(
      request, sizeof request,
      "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n",
      options.path, options.port, options.extensions ? "Sec-WebSocket-Extensions: " : "",
      options.extensions ? options.extensions : "", options.extensions ? "\r\n" : "");
  if (request_size >= sizeof request) fail("the request is too long");
}

int main(int count, char **values) {
  if (count < 2) fail("which mode?");
  options.mode = values[1];
  if (strcmp(options.mode, "echo") && strcmp(options.mode, "broadcast") && strcmp(options.mode, "open") &&
      strcmp(options.mode, "flood"))
    fail("there is no such mode");
  for (int i = 2; i + 1 < count; i += 2) {
    const char *name = values[i], *value = values[i + 1];
    if (!strcmp(name, "--port")) options.port = atoi(value);
    else if (!strcmp(name, "--connections")) options.connections = atoi(value);
    else if (!strcmp(name, "--seconds")) options.seconds = atof(value);
    else if (!strcmp(name, "--warmup")) options.warmup = atof(value);
    else if (!strcmp(name, "--pid")) options.pid = atol(value);
    else if (!strcmp(name, "--script")) read_script(value);
    else if (!strcmp(name, "--extensions")) options.extensions = value;
    else if (!strcmp(name, "--path")) options.path = value;
    else if (!strcmp(name, "--reads")) options.reads = atoi(value) != 0;
    else fail(name);
  }
  if (burst_count == 0 && *options.mode != 'o') fail("the script is empty");
  if (burst_count < 2 && *options.mode == 'f') fail("a flood takes two bursts");
  prepare_request();
  epoll = epoll_create1(EPOLL_CLOEXEC);
  connections = calloc((size_t)options.connections, sizeof *connections);
  if (epoll < 0 || connections == NULL) fail("no memory");

  for (int i = 0; i < options.connections; i++) {
    open_connection(&connections[i]);
    /* No more at once than the queue of the listener holds. */
    if (*options.mode == 'o') continue;
    due = i + 1;
    if (i % 64 == 63) run_until(now() + 10, true);
  }
  if (*options.mode != 'o') run_until(now() + 10, true);
  run_until(now() + options.warmup, false);

  unsigned long user[2], system[2];
  messages = latency_count = 0;
  double cpu = cpu_of(options.pid), own = cpu_of(getpid()), begin = now();
  ticks_of(options.pid, &user[0], &system[0]);
  run_until(begin + options.seconds, false);
  cpu = cpu_of(options.pid) - cpu;
  own = cpu_of(getpid()) - own;
  ticks_of(options.pid, &user[1], &system[1]);
  double seconds = now() - begin;
  double ticks = (double)sysconf(_SC_CLK_TCK);
  printf("{\"messages\":%llu,\"seconds\":%.6f,\"cpu\":%.0f,\"user\":%.3f,\"system\":%.3f,\"own\":%.0f",
         (unsigned long long)messages, seconds, cpu, (double)(user[1] - user[0]) / ticks,
         (double)(system[1] - system[0]) / ticks, own);
  if (*options.mode == 'f') print_latency();
  puts("}");
  return 0;
}
