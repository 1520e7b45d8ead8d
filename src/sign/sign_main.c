/*
 * `signet sign`: one signature from the command line, a look into a module, and its speed. It runs the
 * very sandbox of the gateway, so that what works here works there; nothing of a configuration is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/flags.h"
#include "base/ids.h"
#include "base/time.h"
#include "sign/signer.h"

#define CONTENT_MAX   (256u << 20)
#define BENCH_MAX     10000000u
#define INSPECT_MAX   (1u << 20)
#define SIGNATURE_MAX (64u << 10)
#define DEFAULT_MB    16
#define MAX_MB        4096u
#define DEFAULT_MS    100
#define MAX_MS        3600000u

static const char help[] =
	"signet sign: signs one request with a WebAssembly signer, as the gateway would\n"
	"\n"
	"usage: signet sign --module M.wasm --nonce N --timestamp T --device-id D --content C\n"
	"       signet sign --module M.wasm --input NAME=VALUE [--input NAME=VALUE]...\n"
	"       signet sign --module M.wasm --inspect\n"
	"       signet sign --module M.wasm --bench N [--content C]\n"
	"\n"
	"  --module M.wasm       the signer: a WebAssembly module in the wasm-bindgen ABI\n"
	"  --nonce N             first argument; the gateway takes a fresh UUID v4 for each attempt\n"
	"  --timestamp T         second argument; the gateway takes the time in Unix seconds\n"
	"  --device-id D         third argument (DEVICE_ID or device_id of the provider)\n"
	"  --content C           fourth argument: the conversation's text, or the body\n"
	"  --content-file F      the same from a file, every byte of it; - reads standard input\n"
	"  --input NAME=VALUE    the four arguments in the order of signer.inputs: nonce, timestamp,\n"
	"                        device_id, body, content, method, url, path; those that are not there are\n"
	"                        empty, as is --input \"\". nonce and timestamp without a value are made\n"
	"                        as the gateway makes them; body=@FILE and content=@FILE read a file\n"
	"  --inspect             prints ABI, imports, exports, memory, SHA-256 and, after a signature of\n"
	"                        made-up arguments, whether the gateway takes the module (exit status 0)\n"
	"                        or refuses it (1)\n"
	"  --bench N             signs N times on one instance and prints p50 and p99;\n"
	"                        arguments that are not given are made up\n"
	"  --memory-limit-mb N   linear memory of the module (signer.memory_limit_mb, 16)\n"
	"  --timeout-ms N        CPU time of one signature (signer.timeout_ms, 100)\n"
	"  --help                this text\n"
	"\n"
	"The signature alone goes to standard output. Exit status: 0 signed, 1 failed (the reason is on\n"
	"standard error), 2 wrong usage.\n"
	"\n"
	"  signet sign --module rust_proxy/sign_bg.wasm --nonce \"$(uuidgen)\" --timestamp \"$(date +%s)\" \\\n"
	"      --device-id \"$DEVICE_ID\" --content \"User: Hello, world!\"\n";

struct options {
	const char *module, *nonce, *timestamp, *device_id, *content, *content_file;
	uint64_t bench, memory_mb, timeout_ms;
	const char *inputs[4];
	size_t ninputs;
	bool inspect;
};

static const char *missing(const struct options *o)
{
	if (!o->module)
		return "--module";
	if (o->inspect || o->bench || o->ninputs)
		return NULL;
	if (!o->nonce)
		return "--nonce";
	if (!o->timestamp)
		return "--timestamp";
	if (!o->device_id)
		return "--device-id";
	return o->content || o->content_file ? NULL : "--content or --content-file";
}

static bool is_input(struct bytes name)
{
	for (size_t i = 0; signer_input_names[i]; i++)
		if (bytes_eq(name, bytes_of(signer_input_names[i])))
			return true;
	return false;
}

/* What is wrong with "NAME=VALUE"; NULL: nothing. */
static const char *wrong_input(const char *text)
{
	struct bytes rest = bytes_of(text), name = bytes_cut(&rest, '=');

	if (!is_input(name))
		return "--input wants nonce, timestamp, device_id, body, content, method, url or path, and =VALUE";
	if (!strchr(text, '=') && name.n && !bytes_eq(name, B("nonce")) &&
	    !bytes_eq(name, B("timestamp")))
		return "--input wants NAME=VALUE (only nonce and timestamp are made up)";
	return NULL;
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
	const struct flag flags[] = {
		{ "--module", .text = &o->module },
		{ "--nonce", .text = &o->nonce },
		{ "--timestamp", .text = &o->timestamp },
		{ "--device-id", .text = &o->device_id },
		{ "--content", .text = &o->content },
		{ "--content-file", .text = &o->content_file },
		{ "--input", .list = o->inputs, .listed = &o->ninputs, .most = COUNT(o->inputs) },
		{ "--inspect", .on = &o->inspect },
		{ "--bench", .number = &o->bench, .most = BENCH_MAX },
		{ "--memory-limit-mb", .number = &o->memory_mb, .most = MAX_MB },
		{ "--timeout-ms", .number = &o->timeout_ms, .most = MAX_MS },
	};
	const struct command sign = { "signet sign", help, flags, COUNT(flags), false };
	int status = flags_read(&sign, argc, argv);

	if (status >= 0)
		return status;
	if (missing(o))
		return flags_wrong(&sign, "%s is missing", missing(o));
	if (o->content && o->content_file)
		return flags_wrong(&sign, "--content and --content-file exclude each other");
	if (o->ninputs &&
	    (o->nonce || o->timestamp || o->device_id || o->content || o->content_file))
		return flags_wrong(
			&sign,
			"--input takes the place of --nonce, --timestamp, --device-id and --content");
	for (size_t i = 0; i < o->ninputs; i++)
		if (wrong_input(o->inputs[i]))
			return flags_wrong(&sign, "%s, not '%s'", wrong_input(o->inputs[i]),
					   o->inputs[i]);
	return -1;
}

static int read_content(const char *path, struct buf *out)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	int bad;

	if (fd < 0)
		return fail(ERR_IO, "%s: %s", path, strerror(errno));
	bad = buf_read(out, fd) ? fail_context("%s: ", path) : 0;
	if (fd != STDIN_FILENO)
		close(fd);
	return bad;
}

static int inspect(const char *module, const struct signer_limits *limits)
{
	struct buf text;
	int refused;

	buf_init(&text, INSPECT_MAX);
	if (signer_inspect(module, &text)) {
		buf_deinit(&text);
		return flags_failed("");
	}
	refused = signer_verdict(module, limits, &text);
	fwrite(text.data, 1, text.len, stdout);
	buf_deinit(&text);
	return refused ? 1 : 0;
}

/* The reason, and the way through the module. */
static void failed(const struct signature *s)
{
	flags_failed("");
	if (bytes_set(s->trace))
		fprintf(stderr, "  in %.*s\n", BFMT(s->trace));
}

static int sign_once(struct signer *s, const struct bytes args[4])
{
	struct signature out;
	struct arena arena;
	int rc;

	arena_init(&arena, SIGNATURE_MAX);
	rc = signer_sign(s, args, &arena, &out);
	if (rc == 0)
		printf("%.*s\n", BFMT(out.text));
	else
		failed(&out);
	arena_deinit(&arena);
	return rc ? 1 : 0;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Only signatures that were made count: a failure ends the run. */
static int bench(struct signer *s, const struct bytes args[4], uint32_t n)
{
	uint64_t *ns = malloc(n * sizeof(*ns));
	size_t memory = 0;
	uint64_t sum = 0, half, most;
	struct signer_counts counts;

	if (!ns) {
		fprintf(stderr, "signet sign: out of memory\n");
		return 1;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct signature out;
		struct arena arena;
		uint64_t start;
		int rc;

		arena_init(&arena, SIGNATURE_MAX);
		start = clock_mono_ns();
		rc = signer_sign(s, args, &arena, &out);
		ns[i] = clock_mono_ns() - start;
		if (rc) {
			fprintf(stderr, "signature %u of %u: ", i + 1, n);
			failed(&out);
		}
		arena_deinit(&arena);
		if (rc) {
			free(ns);
			return 1;
		}
		sum += ns[i];
		if (!i)
			memory = signer_counts(s).memory;
	}
	qsort(ns, n, sizeof(*ns), by_size);
	half = ns[(n - 1) / 2];
	most = ns[(uint64_t)(n - 1) * 99 / 100];
	printf("%u signatures, %zu bytes of content: p50 %.1f us, p99 %.1f us, mean %.1f us\n", n,
	       args[3].n, (double)half / 1e3, (double)most / 1e3, (double)sum / n / 1e3);
	counts = signer_counts(s);
	printf("%llu instance%s, memory %zu KiB after the first, %zu KiB after the last\n",
	       (unsigned long long)counts.made, counts.made == 1 ? "" : "s", memory >> 10,
	       counts.memory >> 10);
	free(ns);
	return 0;
}

/* One argument of --input. `made` is what stands for a nonce or a time that has no value. */
static int take_input(const char *text, struct bytes *arg, struct bytes nonce, struct bytes now,
		      struct buf *file)
{
	struct bytes rest = bytes_of(text), name = bytes_cut(&rest, '=');
	bool given = strchr(text, '=') != NULL;

	*arg = rest;
	if (!given) {
		*arg = !name.n ? B("") : bytes_eq(name, B("nonce")) ? nonce : now;
		return 0;
	}
	if (!bytes_starts(rest, B("@")) ||
	    (!bytes_eq(name, B("body")) && !bytes_eq(name, B("content"))))
		return 0;
	if (file->len)
		return fail(ERR_IO, "only one --input may be a file");
	if (read_content(rest.p + 1, file))
		return -1;
	*arg = buf_bytes(file);
	return 0;
}

/* What the options say of the four arguments beyond their flags of their own. */
static int take_inputs(const struct options *o, struct bytes args[4], struct buf *file)
{
	static char now[U64_DIGITS];
	struct bytes nonce = args[0], time = u64_text(clock_unix_ms() / 1000, now);

	if (o->content_file) {
		if (read_content(o->content_file, file))
			return -1;
		args[3] = buf_bytes(file);
	}
	if (!o->ninputs)
		return 0;
	for (size_t i = 0; i < 4; i++) {
		args[i] = B("");
		if (i < o->ninputs && take_input(o->inputs[i], &args[i], nonce, time, file))
			return -1;
	}
	return 0;
}

static int sign(const struct options *o, const struct signer_limits *limits)
{
	struct bytes args[4] = { bytes_of(o->nonce), bytes_of(o->timestamp), bytes_of(o->device_id),
				 bytes_of(o->content) };
	struct signer *s = NULL;
	struct buf file;
	int rc = 1;

	buf_init(&file, CONTENT_MAX);
	if (take_inputs(o, args, &file)) {
		flags_failed("");
		goto out;
	}
	s = signer_load(o->module, B("command line"), (struct bytes){ 0 }, limits, NULL);
	if (!s)
		flags_failed("");
	else
		rc = o->bench ? bench(s, args, (uint32_t)o->bench) : sign_once(s, args);
out:
	signer_unref(s);
	signer_thread_end();
	buf_deinit(&file);
	return rc;
}

int signer_main(int argc, char **argv)
{
	struct options o = { .memory_mb = DEFAULT_MB, .timeout_ms = DEFAULT_MS };
	struct signer_limits limits = { .pool = 1 };
	char nonce[UUID_TEXT + 1];
	int status = read_options(argc, argv, &o);

	if (status >= 0)
		return status;
	limits.memory_mb = (uint32_t)o.memory_mb;
	limits.timeout_ms = (uint32_t)o.timeout_ms;
	if (signing_init())
		return flags_failed("");
	if (!o.nonce)
		o.nonce = uuid_text(uuid_v4(), nonce).p;
	if (!o.timestamp)
		o.timestamp = "1700000000";
	if (!o.device_id)
		o.device_id = "device";
	if (!o.content)
		o.content = "";
	status = o.inspect ? inspect(o.module, &limits) : sign(&o, &limits);
	signing_deinit();
	return status;
}
