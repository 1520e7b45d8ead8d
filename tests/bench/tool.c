/*
 * The two ends of a stream for ./dev bench: `source` is an upstream that sends events, `streams` a client that counts them, `idle`
 * one that only keeps connections open.
 *
 * One thread, one epoll loop each; the gateway between them is what is measured, so these must be cheaper than it. The source
 * writes each event with a write of its own (TCP_NODELAY), at times that are spread evenly over the streams, so that "one event each
 * 5 ms" is one wake-up an event for whoever stands between. The client decodes the chunked body, because an event that is split by
 * a chunk's header would otherwise not be counted: a figure is only worth what was counted.
 *
 *   tool source                         prints "listening on PORT"; the path of a request says what comes:
 *                                       …/fast-N/…  N events as fast as they are taken   …/pace-US-N/…  one each US microseconds
 *                                       …/short-US-N/… the same with events of 150 bytes instead of 230
 *                                       …/hold-MS/… two events, silence for MS, the end
 *   tool streams HOST PORT PATH BODY CONNECTIONS SECONDS STREAMS
 *                                       each connection posts BODY again and again for SECONDS, or STREAMS times (0 = no end)
 *   tool idle HOST PORT PATH CONNECTIONS   one GET each, then all stay open until stdin says "again" (one more GET each) or ends
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 16384

static int epoll;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "tool: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *must_alloc(size_t n)
{
	void *p = calloc(1, n);

	if (!p)
		die("memory");
	return p;
}

static void watch(int fd, void *who, uint32_t events, int op)
{
	struct epoll_event e = { .events = events, .data.ptr = who };

	if (epoll_ctl(epoll, op, fd, &e) < 0)
		die("epoll_ctl");
}

static void raise_file_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* ---- source ------------------------------------------------------------------------------------------------------------ */

enum mode { FAST, PACE, HOLD };

struct up {
	int fd;
	char in[HEAD_MAX];
	size_t len;
	size_t body_left; /* of the request, once its head was read */
	bool answering, writable, brief;
	enum mode mode;
	uint64_t step_us, due_us;
	uint64_t left; /* events */
	size_t out_at; /* into what is being written, 0 = nothing */
	const char *out;
	size_t out_len;
	bool ended;
	struct up *next_paced, **prev_paced;
};

static struct up *paced;
static unsigned phase; /* spreads the paced streams over their step */

static char event_chunk[1024], first_chunk[1024], end_chunk[1024], brief_chunk[1024];
static size_t event_len, first_len, end_len, brief_len;

static const char source_head[] =
	"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
	"transfer-encoding: chunked\r\n\r\n";

static size_t chunk(char *out, size_t room, const char *data)
{
	int n = snprintf(out, room, "%zx\r\n%s\r\n", strlen(data), data);

	if (n < 0 || (size_t)n >= room)
		die("chunk");
	return (size_t)n;
}

static void make_events(void)
{
	static const char common[] =
		"data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock-model\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":[{\"index\":0,\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s}]}\n\n";
	char text[900];

	snprintf(text, sizeof(text), common, "\"role\":\"assistant\",\"content\":\"\"", "null");
	first_len = chunk(first_chunk, sizeof(first_chunk), text);
	snprintf(text, sizeof(text), common, "\"content\":\" token\"", "null");
	event_len = chunk(event_chunk, sizeof(event_chunk), text);
	brief_len = chunk(
		brief_chunk, sizeof(brief_chunk),
		"data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"}}]}\n\n");
	snprintf(text, sizeof(text), common, "", "\"stop\"");
	strncat(text, "data: [DONE]\n\n", sizeof(text) - strlen(text) - 1);
	end_len = chunk(end_chunk, sizeof(end_chunk) - 8, text);
	memcpy(end_chunk + end_len, "0\r\n\r\n", 5);
	end_len += 5;
}

static void up_unpace(struct up *u)
{
	if (!u->prev_paced)
		return;
	*u->prev_paced = u->next_paced;
	if (u->next_paced)
		u->next_paced->prev_paced = u->prev_paced;
	u->prev_paced = NULL;
}

static void up_close(struct up *u)
{
	up_unpace(u);
	close(u->fd);
	free(u);
}

/* True: the bytes are out. */
static bool up_write(struct up *u, const char *p, size_t n)
{
	ssize_t w = send(u->fd, p, n, MSG_NOSIGNAL);

	if (w == (ssize_t)n)
		return true;
	if (w < 0 && errno != EAGAIN) {
		u->ended = true;
		return false;
	}
	u->out = p;
	u->out_len = n;
	u->out_at = w < 0 ? 0 : (size_t)w;
	u->writable = false;
	return false;
}

/* Writes what is due; `ended` is set when the connection is of no more use. */
static void up_go(struct up *u)
{
	while ((u->answering || u->out) && u->writable && !u->ended) {
		if (u->out) {
			const char *p = u->out + u->out_at;
			size_t n = u->out_len - u->out_at;

			u->out = NULL;
			if (!up_write(u, p, n) || !u->answering)
				return;
		}
		if (u->left == 0) {
			u->answering = false;
			up_unpace(u);
			up_write(u, end_chunk, end_len);
			return;
		}
		if (u->mode != FAST && now_us() < u->due_us)
			return;
		u->due_us += u->step_us;
		u->left--;
		if (u->mode == HOLD)
			continue;
		if (u->brief)
			up_write(u, brief_chunk, brief_len);
		else
			up_write(u, event_chunk, event_len);
		if (u->mode ==
		    FAST) /* the others' turn: bursts of one stream would be joined by whoever reads them */
			return;
	}
}

static void up_answer(struct up *u, const char *path)
{
	const char *at;
	unsigned long a = 0, b = 0;

	u->answering = true;
	u->mode = FAST;
	u->brief = false;
	u->left = 1;
	if ((at = strstr(path, "/fast-")) && sscanf(at, "/fast-%lu", &a) == 1) {
		u->left = a;
	} else if (((at = strstr(path, "/pace-")) && sscanf(at, "/pace-%lu-%lu", &a, &b) == 2) ||
		   ((at = strstr(path, "/short-")) && sscanf(at, "/short-%lu-%lu", &a, &b) == 2)) {
		u->mode = PACE;
		u->brief = at[1] == 's';
		u->step_us = a;
		u->left = b;
	} else if ((at = strstr(path, "/hold-")) && sscanf(at, "/hold-%lu", &a) == 1) {
		u->mode = HOLD;
		u->step_us = a * 1000;
		u->left = 1;
	}
	u->due_us = now_us() + u->step_us;
	if (u->mode == PACE) /* golden ratio: any number of streams is spread evenly */
		u->due_us +=
			(uint64_t)((double)u->step_us * ((phase++ * 618034u) % 1000000u) / 1e6);
	u->next_paced = paced;
	if (paced)
		paced->prev_paced = &u->next_paced;
	u->prev_paced = &paced;
	paced = u;
	char head[2048];
	size_t n = sizeof(source_head) - 1;

	memcpy(head, source_head, n);
	memcpy(head + n, first_chunk, first_len);
	n += first_len;
	if (u->mode == HOLD) { /* a stream has begun with its first content */
		memcpy(head + n, brief_chunk, brief_len);
		n += brief_len;
	}
	if (send(u->fd, head, n, MSG_NOSIGNAL) != (ssize_t)n)
		u->ended = true;
	up_go(u);
}

static void up_read(struct up *u)
{
	for (;;) {
		ssize_t n = recv(u->fd, u->in + u->len, sizeof(u->in) - 1 - u->len, 0);

		if (n <= 0) {
			u->ended = n == 0 || errno != EAGAIN;
			return;
		}
		u->len += (size_t)n;
		u->in[u->len] = 0;
		if (u->body_left == 0) {
			char *end = strstr(u->in, "\r\n\r\n"),
			     *length = strcasestr(u->in, "\ncontent-length:");

			if (!end) {
				if (u->len == sizeof(u->in) - 1)
					u->ended = true;
				continue;
			}
			u->body_left =
				(size_t)(end + 4 - u->in) +
				(length && length < end ? strtoul(length + 16, NULL, 10) : 0);
		}
		if (u->body_left > sizeof(u->in) - 1) {
			u->ended = true;
			return;
		}
		if (u->len < u->body_left)
			continue;
		u->len = u->body_left = 0;
		up_answer(u, u->in);
	}
}

static _Noreturn void run_source(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t alen = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	make_events();
	if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(listener, 4096) < 0 || getsockname(listener, (struct sockaddr *)&a, &alen) < 0)
		die("listen");
	printf("listening on %d\n", ntohs(a.sin_port));
	fflush(stdout);
	watch(listener, NULL, EPOLLIN, EPOLL_CTL_ADD);
	for (;;) {
		struct epoll_event events[256];
		uint64_t now = now_us(), next = now + 1000000;

		for (struct up *u = paced, *after; u; u = after) {
			after = u->next_paced;
			if (u->due_us <= now)
				up_go(u);
			if (u->ended)
				up_close(u);
			else if (u->prev_paced && u->writable && u->due_us < next)
				next = u->due_us;
		}
		now = now_us();
		struct timespec wait = { .tv_nsec = next > now ? (long)(next - now) * 1000 : 0 };

		if (wait.tv_nsec >= 1000000000)
			wait = (struct timespec){ .tv_sec = 1 };
		int n = epoll_pwait2(epoll, events, 256, &wait, NULL);

		for (int i = 0; i < n; i++) {
			struct up *u = events[i].data.ptr;
			int one = 1, fd;

			if (!u) {
				while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
					setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
					u = must_alloc(sizeof(*u));
					u->fd = fd;
					watch(fd, u, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
					      EPOLL_CTL_ADD);
				}
				continue;
			}
			if (events[i].events & EPOLLOUT) {
				u->writable = true;
				up_go(u);
			}
			if (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
				up_read(u);
			if (u->ended)
				up_close(u);
		}
	}
}

/* ---- streams, idle ----------------------------------------------------------------------------------------------------- */

struct down {
	int fd;
	char head[4096];
	size_t head_len;
	bool in_head, chunked;
	enum { SIZE, EXTENSION, DATA, DATA_END, LAST } state;
	uint64_t chunk_left, length_left;
	char line[32]; /* the beginning of the line, enough to know it */
	size_t line_len;
	uint64_t events, streams;
	bool done, broken, over;
};

static struct {
	const char *request;
	size_t request_len;
	uint64_t until_us, max_streams;
	uint64_t events, complete, without_done, bad_status, broken, least, most;
	size_t open;
	char sample[512];
} run = { .least = UINT64_MAX };

static void down_send(struct down *d)
{
	d->in_head = true;
	d->head_len = 0;
	d->events = 0;
	d->done = false;
	d->line_len = 0;
	if (send(d->fd, run.request, run.request_len, MSG_NOSIGNAL) != (ssize_t)run.request_len)
		d->broken = true;
}

static void down_end(struct down *d)
{
	d->streams++;
	run.complete++;
	run.events += d->events;
	if (!d->done)
		run.without_done++;
	if (d->events < run.least)
		run.least = d->events;
	if (d->events > run.most)
		run.most = d->events;
	if (now_us() >= run.until_us || (run.max_streams && d->streams >= run.max_streams))
		d->over = true;
	else
		down_send(d);
}

static void down_text(struct down *d, const char *p, size_t n)
{
	while (n) {
		const char *lf = memchr(p, '\n', n);
		size_t take = lf ? (size_t)(lf - p) : n, keep = sizeof(d->line) - 1 - d->line_len;

		if (keep > take)
			keep = take;
		memcpy(d->line + d->line_len, p, keep);
		d->line_len += keep;
		if (!lf)
			return;
		d->line[d->line_len] = 0;
		if (strncmp(d->line, "data: {", 7) == 0)
			d->events++;
		if (strncmp(d->line, "data: [DONE]", 12) == 0 ||
		    strncmp(d->line, "event: message_stop", 19) == 0 ||
		    strncmp(d->line, "event: response.completed", 25) == 0)
			d->done = true;
		d->line_len = 0;
		n -= take + 1;
		p = lf + 1;
	}
}

static size_t down_head(struct down *d, const char *p, size_t n)
{
	size_t before = d->head_len, room = sizeof(d->head) - 1 - before,
	       take = n < room ? n : room;
	memcpy(d->head + before, p, take);
	d->head[before + take] = 0;
	char *end = strstr(d->head, "\r\n\r\n");

	if (!end) {
		d->head_len += take;
		d->broken = take == room;
		return take;
	}
	d->in_head = false;
	end[2] = 0;
	if (strncmp(d->head, "HTTP/1.1 200", 12) != 0) {
		run.bad_status++;
		snprintf(run.sample, sizeof(run.sample), "%.*s", (int)(sizeof(run.sample) - 1),
			 d->head);
	}
	char *length = strcasestr(d->head, "\ncontent-length:");

	d->chunked = strcasestr(d->head, "\ntransfer-encoding: chunked") != NULL;
	d->length_left = length ? strtoul(length + 16, NULL, 10) : 0;
	d->state = SIZE;
	d->chunk_left = 0;
	return (size_t)(end + 4 - d->head) - before;
}

static size_t down_chunked(struct down *d, const char *p, size_t n)
{
	if (d->state == DATA) {
		size_t take = d->chunk_left < n ? (size_t)d->chunk_left : n;

		down_text(d, p, take);
		d->chunk_left -= take;
		if (!d->chunk_left)
			d->state = DATA_END;
		return take;
	}
	char c = *p;

	switch (d->state) {
	case SIZE:
	case EXTENSION:
		if (c == '\n')
			d->state = d->chunk_left ? DATA : LAST;
		else if (c == ';' || c == '\r')
			d->state = EXTENSION;
		else if (d->state == SIZE)
			d->chunk_left = d->chunk_left * 16 +
					(uint64_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
		break;
	case DATA_END:
		if (c == '\n')
			d->state = SIZE;
		break;
	default: /* LAST: no trailers are sent here */
		if (c == '\n')
			down_end(d);
		break;
	}
	return 1;
}

static void down_feed(struct down *d, const char *p, size_t n)
{
	while (n && !d->broken && !d->over) {
		size_t used = 0;

		if (d->in_head) {
			used = down_head(d, p, n);
			if (!d->in_head && !d->chunked && !d->length_left)
				down_end(d);
		} else if (d->chunked) {
			used = down_chunked(d, p, n);
		} else {
			used = d->length_left < n ? (size_t)d->length_left : n;
			down_text(d, p, used);
			d->length_left -= used;
			if (!d->length_left)
				down_end(d);
		}
		p += used;
		n -= used;
	}
}

static struct down *down_open(const struct sockaddr_in *a)
{
	struct down *d = must_alloc(sizeof(*d));
	int one = 1;

	d->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (d->fd < 0 || connect(d->fd, (const struct sockaddr *)a, sizeof(*a)) < 0)
		die("connect");
	fcntl(d->fd, F_SETFL, O_NONBLOCK);
	setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	watch(d->fd, d, EPOLLIN | EPOLLRDHUP, EPOLL_CTL_ADD);
	run.open++;
	return d;
}

static void down_close(struct down *d)
{
	if (d->broken)
		run.broken++;
	close(d->fd);
	run.open--;
	free(d);
}

static void down_ready(struct down *d)
{
	static char in[65536];
	ssize_t n = recv(d->fd, in, sizeof(in), 0);

	if (n > 0)
		down_feed(d, in, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		d->broken = true;
	if (d->broken || d->over)
		down_close(d);
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };

	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		die("host");
	return a;
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = must_alloc(65536);

	if (!f)
		die(path);
	text[fread(text, 1, 65535, f)] = 0;
	fclose(f);
	return text;
}

static int run_streams(char **argv)
{
	struct sockaddr_in a = address(argv[0], argv[1]);
	char *body = read_file(argv[3]), *request = must_alloc(131072);
	unsigned long connections = strtoul(argv[4], NULL, 10);
	double seconds = strtod(argv[5], NULL);
	int n = snprintf(
		request, 131072,
		"POST %s HTTP/1.1\r\nhost: %s:%s\r\ncontent-type: application/json\r\nauthorization: Bearer none\r\n"
		"content-length: %zu\r\n\r\n%s",
		argv[2], argv[0], argv[1], strlen(body), body);

	run.request = request;
	run.request_len = (size_t)n;
	run.max_streams = strtoul(argv[6], NULL, 10);
	run.until_us = now_us() + (uint64_t)(seconds * 1e6);
	for (unsigned long i = 0; i < connections; i++)
		down_send(down_open(&a));
	printf("open\n");
	fflush(stdout);
	while (run.open) {
		struct epoll_event events[256];
		int got = epoll_wait(epoll, events, 256, 1000);

		for (int i = 0; i < got; i++)
			down_ready(events[i].data.ptr);
		if (now_us() > run.until_us + 120000000) { /* what is not over by then never is */
			run.broken += run.open;
			break;
		}
	}
	printf("{\"events\": %lu, \"streams\": %lu, \"without_done\": %lu, \"bad_status\": %lu, \"broken\": %lu, \"least\": %lu, \"most\": %lu}\n",
	       run.events, run.complete, run.without_done, run.bad_status, run.broken,
	       run.complete ? run.least : 0, run.most);
	if (run.bad_status)
		fprintf(stderr, "tool: a head that was not 200:\n%s\n", run.sample);
	return run.broken || run.bad_status || run.without_done ? 1 : 0;
}

/* One round of requests on all connections; returns how many were answered with 200. */
static unsigned long idle_round(struct down **all, unsigned long n)
{
	unsigned long wrong = run.bad_status;

	run.complete = 0;
	run.until_us = 0; /* an answer ends it; down_close is not wanted: see below */
	for (unsigned long i = 0; i < n; i++) {
		if (!all[i])
			continue;
		all[i]->over = false;
		down_send(all[i]);
		static char in[65536];
		uint64_t give_up = now_us() + 20000000;

		while (!all[i]->over && !all[i]->broken && now_us() < give_up) {
			struct epoll_event e;

			epoll_wait(epoll, &e, 1, 50);
			ssize_t got = recv(all[i]->fd, in, sizeof(in), 0);

			if (got > 0)
				down_feed(all[i], in, (size_t)got);
			else if (got == 0 || errno != EAGAIN)
				all[i]->broken = true;
		}
		if (!all[i]->over) {
			down_close(all[i]);
			all[i] = NULL;
		}
	}
	return run.complete - (run.bad_status - wrong);
}

static int run_idle(char **argv)
{
	struct sockaddr_in a = address(argv[0], argv[1]);
	unsigned long n = strtoul(argv[3], NULL, 10);
	struct down **all = must_alloc(n * sizeof(*all));
	char request[1024], word[64];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nhost: %s:%s\r\n\r\n", argv[2],
		 argv[0], argv[1]);
	run.request = request;
	run.request_len = strlen(request);
	for (unsigned long i = 0; i < n; i++)
		all[i] = down_open(&a);
	do {
		printf("{\"answered\": %lu}\n", idle_round(all, n));
		fflush(stdout);
	} while (fgets(word, sizeof(word), stdin));
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	raise_file_limit();
	epoll = epoll_create1(0);
	if (argc == 2 && strcmp(argv[1], "source") == 0)
		run_source();
	if (argc == 9 && strcmp(argv[1], "streams") == 0)
		return run_streams(argv + 2);
	if (argc == 6 && strcmp(argv[1], "idle") == 0)
		return run_idle(argv + 2);
	fprintf(stderr,
		"usage: tool source | streams HOST PORT PATH BODY CONNECTIONS SECONDS STREAMS | idle HOST PORT PATH CONNECTIONS\n");
	return 2;
}
