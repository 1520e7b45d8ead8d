/*
 * A frame's head is 2 to 14 bytes, taken one by one until its length is known; the payload is unmasked as it comes. Control
 * frames may stand between the frames of a message, and are never cut themselves.
 */
#include "net/websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/error.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

void ws_reader_init(struct ws_reader *r, size_t max_message)
{
	*r = (struct ws_reader){ 0 };
	buf_init(&r->message, max_message);
}

void ws_reader_deinit(struct ws_reader *r)
{
	buf_deinit(&r->message);
}

static enum ws_got wrong(struct ws_reader *r, int code)
{
	r->code = code;
	return WS_GOT_WRONG;
}

static unsigned opcode(const struct ws_reader *r)
{
	return r->head[0] & 15;
}

static bool is_control(const struct ws_reader *r)
{
	return opcode(r) >= WS_CLOSE;
}

/* Bytes of the head, as far as what came says. */
static size_t head_length(const struct ws_reader *r)
{
	unsigned length = r->nhead > 1 ? r->head[1] & 127 : 0;

	if (r->nhead < 2)
		return 2;
	return 2 + (length == 127 ? 8 : length == 126 ? 2 : 0) + 4;
}

static uint64_t payload_length(const struct ws_reader *r)
{
	unsigned length = r->head[1] & 127;
	size_t n = length == 127 ? 8 : length == 126 ? 2 : 0;
	uint64_t big = 0;

	for (size_t i = 0; i < n; i++)
		big = big << 8 | r->head[2 + i];
	return n ? big : length;
}

/* A whole head: what may not be. 0: it is good. */
static int fault_of(const struct ws_reader *r)
{
	unsigned op = opcode(r);
	bool last = r->head[0] & 128;

	if (r->head[0] & 0x70 || !(r->head[1] & 128))
		return 1002;
	if (is_control(r))
		return op > WS_PONG || !last || payload_length(r) > WS_CONTROL ? 1002 : 0;
	if (op == WS_BINARY)
		return 1003;
	if (op > WS_BINARY || (op == WS_CONTINUES) != r->begun)
		return 1002;
	return payload_length(r) > r->message.max - r->message.len ? 1009 : 0;
}

static enum ws_got take_head(struct ws_reader *r, struct bytes *in)
{
	int fault;

	while (r->nhead < head_length(r)) {
		if (!in->n)
			return WS_GOT_NOTHING;
		r->head[r->nhead++] = (unsigned char)*in->p;
		*in = bytes_slice(*in, 1, in->n);
	}
	fault = fault_of(r);
	if (fault)
		return wrong(r, fault);
	r->left = payload_length(r);
	r->at = 0;
	r->ncontrol = is_control(r) ? 0 : r->ncontrol;
	r->in_payload = true;
	return WS_GOT_NOTHING;
}

static int take_payload(struct ws_reader *r, struct bytes *in)
{
	const unsigned char *mask = r->head + r->nhead - 4;
	size_t n = in->n < r->left ? in->n : (size_t)r->left, from = r->message.len;
	char *to = r->control + r->ncontrol;

	if (!is_control(r)) {
		if (buf_append(&r->message, bytes_slice(*in, 0, n)))
			return -1;
		to = r->message.data + from;
	} else if (n) {
		memcpy(to, in->p, n);
		r->ncontrol += n;
	}
	for (size_t i = 0; i < n; i++, r->at++)
		to[i] = (char)((unsigned char)to[i] ^ mask[r->at & 3]);
	*in = bytes_slice(*in, n, in->n);
	r->left -= n;
	return 0;
}

static enum ws_got end_frame(struct ws_reader *r)
{
	unsigned op = opcode(r);
	bool last = r->head[0] & 128;

	r->in_payload = false;
	r->nhead = 0;
	switch (op) {
	case WS_PING: return WS_GOT_PING;
	case WS_PONG: return WS_GOT_PONG;
	case WS_CLOSE: return WS_GOT_CLOSE;
	default: break;
	}
	r->begun = !last;
	if (!last)
		return WS_GOT_NOTHING;
	if (!bytes_is_utf8(buf_bytes(&r->message)))
		return wrong(r, 1007);
	r->given = true;
	return WS_GOT_TEXT;
}

enum ws_got ws_take(struct ws_reader *r, struct bytes *in)
{
	if (r->given)
		buf_reset(&r->message);
	r->given = false;
	for (;;) {
		enum ws_got got = WS_GOT_NOTHING;

		if (!r->in_payload) {
			got = take_head(r, in);
			if (got != WS_GOT_NOTHING || !r->in_payload)
				return got;
		}
		if (take_payload(r, in))
			return wrong(r, 1009);
		if (r->left)
			return WS_GOT_NOTHING;
		got = end_frame(r);
		if (got != WS_GOT_NOTHING)
			return got;
	}
}

int ws_put(struct buf *out, enum ws_opcode op, struct bytes payload)
{
	char head[10];
	size_t n = 2;

	head[0] = (char)(128 | op);
	if (payload.n < 126) {
		head[1] = (char)payload.n;
	} else {
		n = payload.n < 65536 ? 4 : 10;
		head[1] = n == 4 ? 126 : 127;
		for (size_t i = 0; i < n - 2; i++)
			head[n - 1 - i] = (char)(unsigned char)((uint64_t)payload.n >> 8 * i);
	}
	return buf_append(out, (struct bytes){ head, n }) || buf_append(out, payload) ? -1 : 0;
}

int ws_put_close(struct buf *out, int code)
{
	char payload[2] = { (char)(code >> 8), (char)code };

	return ws_put(out, WS_CLOSE, (struct bytes){ payload, 2 });
}

struct bytes ws_accept(struct bytes key, char out[WS_ACCEPT + 1])
{
	unsigned char digest[SHA_DIGEST_LENGTH];
	char text[128];
	size_t n = key.n < sizeof text - sizeof GUID ? key.n : sizeof text - sizeof GUID;

	memcpy(text, key.p, n);
	memcpy(text + n, GUID, sizeof GUID - 1);
	SHA1((const unsigned char *)text, n + sizeof GUID - 1, digest);
	EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
	return (struct bytes){ out, WS_ACCEPT };
}
