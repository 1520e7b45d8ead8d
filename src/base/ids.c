/*
 * UUIDs and random bytes. Each thread keeps a small pool of bytes from the kernel, so that an id costs a
 * copy and not a system call; bytes that were handed out are wiped from the pool.
 * Version 7 ids grow within a thread: the millisecond in front, then a counter of 12 bits that starts in
 * its lower half; when it runs over, the millisecond is moved one ahead of the clock.
 */
#include "base/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/time.h"

#define POOL_SIZE 4096 /* for some hundred ids: the call costs more than the bytes */

static _Thread_local struct {
	unsigned char bytes[POOL_SIZE];
	size_t left;
} pool;

/* Without randomness no nonce and no id can be made: there is nothing to go on with. */
static _Noreturn void no_randomness(void)
{
	static const char text[] = "signet: the system gives no random bytes\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
	abort();
}

/* For kernels without getrandom (it is also what some sandboxes forbid). */
static void read_urandom(unsigned char *out, size_t n)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		no_randomness();
	while (n) {
		ssize_t r = read(fd, out, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			no_randomness();
		out += r;
		n -= (size_t)r;
	}
	close(fd);
}

static void kernel_bytes(unsigned char *out, size_t n)
{
	while (n) {
		ssize_t r = getrandom(out, n, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			read_urandom(out, n);
			return;
		}
		out += r;
		n -= (size_t)r;
	}
}

void random_bytes(void *out, size_t n)
{
	if (n > POOL_SIZE / 32) {
		kernel_bytes(out, n);
		return;
	}
	if (pool.left < n) {
		kernel_bytes(pool.bytes, POOL_SIZE);
		pool.left = POOL_SIZE;
	}
	pool.left -= n;
	memcpy(out, pool.bytes + pool.left, n);
	explicit_bzero(pool.bytes + pool.left, n);
}

static void set_version(struct uuid *u, unsigned version)
{
	u->b[6] = (uint8_t)((u->b[6] & 0x0f) | version << 4);
	u->b[8] = (uint8_t)((u->b[8] & 0x3f) | 0x80);
}

struct uuid uuid_v4(void)
{
	struct uuid u;

	random_bytes(u.b, sizeof(u.b));
	set_version(&u, 4);
	return u;
}

struct uuid uuid_v7(void)
{
	static _Thread_local uint64_t last_ms;
	static _Thread_local unsigned counter;
	uint64_t now = clock_unix_ms();
	struct uuid u;

	random_bytes(u.b + 6, sizeof(u.b) - 6);
	if (now > last_ms) {
		last_ms = now;
		counter = (unsigned)(u.b[6] << 8 | u.b[7]) & 0x7ff;
	} else if (++counter > 0xfff) {
		last_ms++;
		counter = (unsigned)(u.b[6] << 8 | u.b[7]) & 0x7ff;
	}
	for (int i = 0; i < 6; i++)
		u.b[i] = (uint8_t)(last_ms >> (40 - 8 * i));
	u.b[6] = (uint8_t)(counter >> 8);
	u.b[7] = (uint8_t)counter;
	set_version(&u, 7);
	return u;
}

uint64_t uuid_v7_ms(struct uuid u)
{
	uint64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | u.b[i];
	return ms;
}

int uuid_version(struct uuid u)
{
	return u.b[6] >> 4;
}

void uuid_hex(struct uuid u, char out[33])
{
	hex_print(u.b, sizeof(u.b), out);
}

void uuid_print(struct uuid u, char out[UUID_TEXT + 1])
{
	static const unsigned char groups[] = { 4, 2, 2, 2, 6 };
	const uint8_t *p = u.b;

	for (size_t g = 0; g < sizeof(groups); g++) {
		hex_print(p, groups[g], out);
		p += groups[g];
		out += 2 * groups[g];
		*out++ = '-';
	}
	out[-1] = 0;
}

struct bytes uuid_text(struct uuid u, char out[UUID_TEXT + 1])
{
	uuid_print(u, out);
	return (struct bytes){ out, UUID_TEXT };
}

bool uuid_parse(struct bytes text, struct uuid *out)
{
	struct uuid u;
	size_t at = 0;

	if (text.n != UUID_TEXT && text.n != 32)
		return false;
	for (size_t i = 0; i < 16; i++) {
		int high, low;

		if (text.n == UUID_TEXT && (i == 4 || i == 6 || i == 8 || i == 10) &&
		    text.p[at++] != '-')
			return false;
		high = hex_digit(text.p[at]);
		low = hex_digit(text.p[at + 1]);
		if (high < 0 || low < 0)
			return false;
		u.b[i] = (uint8_t)(high << 4 | low);
		at += 2;
	}
	*out = u;
	return true;
}
