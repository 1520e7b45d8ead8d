/*
 * A signer for Signet in C: HMAC-SHA256 over
 *
 *     nonce \n timestamp \n device_id \n content
 *
 * with a key that is compiled in, as 64 hexadecimal digits. It speaks the ABI of wasm-bindgen, by which
 * Signet calls modules that were written in Rust:
 *
 *   - strings come as pointer and length in memory that __wbindgen_malloc gave out; `sign` owns them and
 *     frees them;
 *   - the answer's pointer and length are written to `ret`, eight bytes on the module's own stack that
 *     the caller took with __wbindgen_add_to_stack_pointer(-16); the caller frees the answer.
 *
 * There is no C library here: a signer imports nothing. Build it with build.sh beside this file.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long size;

#define EXPORT(name) __attribute__((export_name(name)))

#ifndef SIGN_KEY
#define SIGN_KEY "signet-sample-key"
#endif

/* ---- memory ----------------------------------------------------------------------------------------
 * Free blocks lie in one list, sorted by address, and neighbours are joined again when a block comes
 * back: a module lives for as long as the gateway does and must not grow. A block's header is 8 bytes;
 * sizes count the header and are multiples of 8.
 */
struct block {
	u32 size;
	struct block *next; /* only while it is free */
};

#define HEADER 8u
#define PAGE   65536u

extern u8 __heap_base;
static struct block *list;
static u8 *heap_end; /* end of the memory that was ever in the list */

static void put(struct block *b)
{
	struct block **at = &list;

	while (*at && *at < b)
		at = &(*at)->next;
	b->next = *at;
	*at = b;
	if (b->next && (u8 *)b + b->size == (u8 *)b->next) {
		b->size += b->next->size;
		b->next = b->next->next;
	}
	if (at != &list) {
		struct block *before =
			(struct block *)((u8 *)at - __builtin_offsetof(struct block, next));

		if ((u8 *)before + before->size == (u8 *)b) {
			before->size += b->size;
			before->next = b->next;
		}
	}
}

/* Adds memory for at least `need` bytes to the list. 0: the host gives no more. */
static int grow(u32 need)
{
	u8 *end = (u8 *)(__builtin_wasm_memory_size(0) * PAGE);
	struct block *b;

	if (!heap_end)
		heap_end = (u8 *)(((size)&__heap_base + 7) & ~7ul);
	if ((u32)(end - heap_end) < need) {
		u32 pages = (need - (u32)(end - heap_end) + PAGE - 1) / PAGE;

		if (__builtin_wasm_memory_grow(0, pages) == (size)-1)
			return 0;
		end += pages * PAGE;
	}
	b = (struct block *)heap_end;
	b->size = (u32)(end - heap_end);
	heap_end = end;
	put(b);
	return 1;
}

static void *take(u32 need)
{
	for (struct block **at = &list; *at; at = &(*at)->next) {
		struct block *b = *at;

		if (b->size < need)
			continue;
		if (b->size - need < 2 * HEADER) {
			*at = b->next;
		} else {
			struct block *rest = (struct block *)((u8 *)b + need);

			rest->size = b->size - need;
			rest->next = b->next;
			*at = rest;
			b->size = need;
		}
		return (u8 *)b + HEADER;
	}
	return 0;
}

EXPORT("__wbindgen_malloc") void *wbindgen_malloc(u32 n, u32 align)
{
	u32 need;
	void *p;

	(void)align; /* strings: 1; every block is aligned to 8 */
	if (n > 0x7fffff00u)
		return 0;
	need = (n + 2 * HEADER - 1) & ~(HEADER - 1);
	if (need < 2 * HEADER)
		need = 2 * HEADER;
	p = take(need);
	return p ? p : grow(need) ? take(need) : 0;
}

EXPORT("__wbindgen_free") void wbindgen_free(void *p, u32 n, u32 align)
{
	(void)n; /* the header knows */
	(void)align;
	if (p)
		put((struct block *)((u8 *)p - HEADER));
}

static void copy(u8 *to, const u8 *from, u32 n)
{
	while (n--)
		*to++ = *from++;
}

EXPORT("__wbindgen_realloc") void *wbindgen_realloc(void *p, u32 old, u32 n, u32 align)
{
	void *q = wbindgen_malloc(n, align);

	if (!q)
		return 0;
	copy(q, p, old < n ? old : n);
	wbindgen_free(p, old, align);
	return q;
}

/* ---- the stack that the caller borrows from ---- */

static u8 shadow[1024] __attribute__((aligned(16)));
static u8 *top = shadow + sizeof(shadow);

EXPORT("__wbindgen_add_to_stack_pointer") u8 *wbindgen_add_to_stack_pointer(int delta)
{
	u8 *moved = top + delta;

	if (moved < shadow || moved > shadow + sizeof(shadow))
		__builtin_trap();
	top = moved;
	return top;
}

/* ---- SHA-256 (FIPS 180-4) ---- */

struct sha256 {
	u32 h[8];
	u64 bytes;
	u8 block[64];
	u32 len;
};

static const u32 k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static u32 turn(u32 x, int n)
{
	return x >> n | x << (32 - n);
}

static void compress(u32 *h, const u8 *p)
{
	u32 w[64], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], i = h[7];

	for (int t = 0; t < 16; t++)
		w[t] = (u32)p[t * 4] << 24 | (u32)p[t * 4 + 1] << 16 | (u32)p[t * 4 + 2] << 8 |
		       p[t * 4 + 3];
	for (int t = 16; t < 64; t++) {
		u32 x = w[t - 15], y = w[t - 2];

		w[t] = w[t - 16] + (turn(x, 7) ^ turn(x, 18) ^ x >> 3) + w[t - 7] +
		       (turn(y, 17) ^ turn(y, 19) ^ y >> 10);
	}
	for (int t = 0; t < 64; t++) {
		u32 one = i + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) +
			  k[t] + w[t];
		u32 two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

		i = g, g = f, f = e, e = d + one;
		d = c, c = b, b = a, a = one + two;
	}
	h[0] += a, h[1] += b, h[2] += c, h[3] += d;
	h[4] += e, h[5] += f, h[6] += g, h[7] += i;
}

static void sha256_begin(struct sha256 *s)
{
	static const u32 start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
				      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	for (int i = 0; i < 8; i++)
		s->h[i] = start[i];
	s->bytes = 0;
	s->len = 0;
}

static void sha256_add(struct sha256 *s, const u8 *p, u32 n)
{
	s->bytes += n;
	while (n) {
		u32 room = 64 - s->len;

		if (!s->len && n >= 64) {
			compress(s->h, p);
			p += 64, n -= 64;
			continue;
		}
		if (room > n)
			room = n;
		copy(s->block + s->len, p, room);
		s->len += room, p += room, n -= room;
		if (s->len == 64) {
			compress(s->h, s->block);
			s->len = 0;
		}
	}
}

static void sha256_end(struct sha256 *s, u8 out[32])
{
	static const u8 padding[64] = { 0x80 };
	u64 bits = s->bytes * 8;
	u8 length[8];

	for (int i = 0; i < 8; i++)
		length[i] = (u8)(bits >> (56 - 8 * i));
	sha256_add(s, padding, s->len < 56 ? 56 - s->len : 120 - s->len);
	sha256_add(s, length, 8);
	for (int i = 0; i < 32; i++)
		out[i] = (u8)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

/* ---- HMAC (RFC 2104) ---- */

static struct sha256 inner, outer; /* with the key taken in, made at the first call */
static int keyed;

static void take_key(void)
{
	static const u8 key[] = SIGN_KEY;
	u8 pad[64] = { 0 };

	_Static_assert(sizeof(key) - 1 <= 64, "a longer key would have to be hashed first");
	copy(pad, key, sizeof(key) - 1);
	for (int i = 0; i < 64; i++)
		pad[i] ^= 0x36;
	sha256_begin(&inner);
	sha256_add(&inner, pad, 64);
	for (int i = 0; i < 64; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	sha256_begin(&outer);
	sha256_add(&outer, pad, 64);
	keyed = 1;
}

static const u8 newline[1] = { '\n' };

EXPORT("sign")
void sign(u32 *ret, u8 *nonce, u32 nonce_len, u8 *timestamp, u32 timestamp_len, u8 *device_id,
	  u32 device_id_len, u8 *content, u32 content_len)
{
	static const char digits[] = "0123456789abcdef";
	struct sha256 in, out;
	u8 hash[32], *hex;

	if (!keyed)
		take_key();
	in = inner;
	out = outer;
	sha256_add(&in, nonce, nonce_len);
	sha256_add(&in, newline, 1);
	sha256_add(&in, timestamp, timestamp_len);
	sha256_add(&in, newline, 1);
	sha256_add(&in, device_id, device_id_len);
	sha256_add(&in, newline, 1);
	sha256_add(&in, content, content_len);
	sha256_end(&in, hash);
	sha256_add(&out, hash, 32);
	sha256_end(&out, hash);

	wbindgen_free(nonce, nonce_len, 1);
	wbindgen_free(timestamp, timestamp_len, 1);
	wbindgen_free(device_id, device_id_len, 1);
	wbindgen_free(content, content_len, 1);

	hex = wbindgen_malloc(64, 1);
	if (!hex)
		__builtin_trap();
	for (int i = 0; i < 32; i++) {
		hex[i * 2] = (u8)digits[hash[i] >> 4];
		hex[i * 2 + 1] = (u8)digits[hash[i] & 15];
	}
	ret[0] = (u32)(size)hex;
	ret[1] = 64;
}
