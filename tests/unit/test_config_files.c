/* Files: globs, merging, places of errors, secrets in files that others can touch, signer modules. */
#include <dirent.h>
#include <engines.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "config/shorthand.h"
#include "upstream/rust_proxy.h"
#include "config/glob.h"
#include "config/issue.h"
#include "config/models.h"
#include "sign/signer.h"
#include "unit.h"

static char dir[64];
static struct config_issues issues;

static int new_dir(void **state)
{
	(void)state;
	clearenv();
	setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
	memcpy(dir, "/tmp/signet-config-XXXXXX", 26);
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static const char *in_dir(const char *name)
{
	static char path[8][256];
	static int turn;

	turn = (turn + 1) % 8;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(in_dir(name), 0600), 0);
}

static void put_link(const char *name, const char *target)
{
	assert_int_equal(symlink(target, in_dir(name)), 0);
}

static void put_hard_link(const char *name, const char *target)
{
	char path[512];

	snprintf(path, sizeof path, "%s", in_dir(target));
	assert_int_equal(link(path, in_dir(name)), 0);
}

static struct config *load(const char *glob, bool offline)
{
	struct config_options options = { .glob = in_dir(glob), .offline = offline };

	return config_load(&options, &issues);
}

static void drop(struct config *c)
{
	config_unref(c);
	config_issues_deinit(&issues);
}

/* The report with the directory's name taken out. */
static void assert_report(const char *want)
{
	struct buf got;
	char clean[8192];
	size_t n = 0;

	buf_init(&got, 1 << 20);
	for (size_t i = 0; i < issues.len; i++) {
		config_issue_print(&issues.at[i], &got);
		buf_putc(&got, '\n');
	}
	for (size_t i = 0; i < got.len && n + 1 < sizeof(clean); i++) {
		if (got.len - i >= strlen(dir) && memcmp(got.data + i, dir, strlen(dir)) == 0) {
			clean[n++] = 'D';
			i += strlen(dir) - 1;
		} else {
			clean[n++] = got.data[i];
		}
	}
	clean[n] = '\0';
	assert_string_equal(clean, want);
	buf_deinit(&got);
}

/* ---- globs ---- */

static bool matches(const char *pattern, const char *path)
{
	struct engine_glob *g = engine_glob_compile(pattern, strlen(pattern), NULL);
	bool yes;

	assert_non_null(g);
	yes = engine_glob_match(g, path, strlen(path));
	engine_glob_free(g);
	return yes;
}

static void test_glob_dialect(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool want;
	} rows[] = {
		{ "a/*.toml", "a/x.toml", true },
		{ "a/*.toml", "a/b/x.toml", false },
		{ "a/*.toml", "a/.toml", true },
		{ "a/?.toml", "a/x.toml", true },
		{ "a?b", "a/b", false },
		{ "a/**/*.toml", "a/x.toml", true },
		{ "a/**/*.toml", "a/b/c/x.toml", true },
		{ "a/**/*.toml", "b/x.toml", false },
		{ "**/x", "x", true },
		{ "**/x", "a/b/x", true },
		{ "a/**", "a/b/c", true },
		{ "a**b", "a/b", false },
		{ "a**b", "axxb", true },
		{ "[a-c]x", "bx", true },
		{ "[!a-c]x", "bx", false },
		{ "[!a-c]x", "dx", true },
		{ "[!a]x", "/x", false },
		{ "[]]x", "]x", true },
		{ "{a,bc}.toml", "bc.toml", true },
		{ "{a,bc}.toml", "b.toml", false },
		{ "{a,{b,c}d}.t", "cd.t", true },
		{ "{a/**,b}/x", "a/q/x", true },
		{ "\\*x", "*x", true },
		{ "\\*x", "ax", false },
		{ "", "", true },
		{ "*", "", true },
		{ "a", "ab", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool got = matches(rows[i].pattern, rows[i].path);

		if (got != rows[i].want)
			print_error("%s against %s\n", rows[i].pattern, rows[i].path);
		assert_true(got == rows[i].want);
	}
}

static void test_hostile_glob_ends(void **state)
{
	(void)state;
	assert_false(matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
			     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void test_walk_does_not_follow_linked_directories(void **state)
{
	struct glob_list list = { 0 };
	struct arena arena;
	char pattern[128], deep[128];

	(void)state;
	mkdir(in_dir("sub"), 0700);
	mkdir(in_dir("sub/more"), 0700);
	put("a.toml", "");
	put("sub/b.toml", "");
	put("sub/more/c.toml", "");
	put("c.txt", "");
	assert_int_equal(symlink("sub", in_dir("link")), 0);
	assert_int_equal(symlink("a.toml", in_dir("l.toml")), 0);
	assert_int_equal(symlink("gone", in_dir("dangling.toml")), 0);
	arena_init(&arena, 1 << 20);
	issues_init(&issues);
	snprintf(pattern, sizeof(pattern), "%s/*.toml", dir);
	glob_walk(bytes_of(pattern), &list, &issues, &arena);
	assert_int_equal(list.len, 2); /* a file behind a link counts */
	list.len = 0;
	snprintf(deep, sizeof(deep), "%s/**/*.toml", dir);
	glob_walk(bytes_of(deep), &list, &issues, &arena);
	assert_int_equal(list.len, 4);
	list.len = 0;
	glob_walk(bytes_of(in_dir("link/b.toml")), &list, &issues, &arena);
	assert_int_equal(list.len, 1); /* named in full */
	assert_int_equal(issues.len, 0);
	list.len = 0;
	glob_walk(bytes_of(in_dir("sub")), &list, &issues, &arena);
	assert_int_equal(list.len, 0); /* a directory is no file */
	assert_int_equal(issues.len, 1);
	arena_deinit(&arena);
	drop(NULL);
}

static void test_more_than_10000_files_are_refused(void **state)
{
	struct arena arena;
	char pattern[128], name[32];

	(void)state;
	mkdir(in_dir("many"), 0700);
	snprintf(pattern, sizeof(pattern), "%s/many/*", dir);
	for (int i = 0; i <= 10000; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		put(name, "");
		if (i >= 9999) {
			struct glob_list list = { 0 };

			arena_init(&arena, 64 << 20);
			issues_init(&issues);
			glob_walk(bytes_of(pattern), &list, &issues, &arena);
			if (i == 9999) {
				assert_int_equal(list.len, 10000);
				assert_int_equal(issues.len, 0);
			} else {
				assert_report(
					"Error using glob: `D/many/*`: more than 10000 files match, or out of memory\n");
			}
			arena_deinit(&arena);
			drop(NULL);
		}
	}
}

static void test_no_match_says_so(void **state)
{
	(void)state;
	assert_null(load("gone.toml", false));
	assert_report(
		"Error using glob: `D/gone.toml`: No files matched the glob pattern. Ensure that the path exists, and contains at least one file.\n");
	drop(NULL);
}

static void test_a_broken_pattern_says_so(void **state)
{
	(void)state;
	assert_null(load("[x", false));
	assert_report(
		"Error using glob: `D/[x`: error parsing glob 'D/[x': unclosed character class; missing ']'\n");
	drop(NULL);
	assert_null(load("{a", false));
	assert_report(
		"Error using glob: `D/{a`: error parsing glob 'D/{a': unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)\n");
	drop(NULL);
}

/* By injection: to root nothing is forbidden. */
static void test_a_folder_that_cannot_be_entered_says_so(void **state)
{
	(void)state;
#ifndef SIGNET_FAULTS
	skip();
#endif
	put("a.toml", "");
	fault_setup("config.opendir");
	assert_null(load("*.toml", false));
	assert_report(
		"warning: Important: `--config-file D/*.toml` contains `*`. `*` no longer matches directory separators (e.g. `*.toml` will not match `subdir/foo.toml`). Use `**` for recursive matching (e.g. `**/*.toml` will match `subdir/foo.toml`).\n"
		"warning: Skipping `D/` of the config file glob: Permission denied\n"
		"Error using glob: `D/*.toml`: Permission denied at `D/`, so that no file could be found\n");
	drop(NULL);
	fault_setup("config.lstat:1+"); /* a folder that may be listed but not entered */
	assert_null(load("**/a.toml", false));
	assert_report(
		"Error using glob: `D/**/a.toml`: Permission denied at `D/a.toml`, so that no file could be found\n");
	drop(NULL);
	fault_setup("config.stat");
	assert_null(load("a.toml", false));
	assert_report(
		"Error using glob: `D/a.toml`: Permission denied at `D/a.toml`, so that no file could be found\n");
	drop(NULL);
	fault_setup(NULL);
}

static void test_a_lone_star_warns(void **state)
{
	struct config *c;

	(void)state;
	put("a.toml", "");
	c = load("*.toml", false);
	assert_non_null(c);
	assert_report(
		"warning: Important: `--config-file D/*.toml` contains `*`. `*` no longer matches directory separators (e.g. `*.toml` will not match `subdir/foo.toml`). Use `**` for recursive matching (e.g. `**/*.toml` will match `subdir/foo.toml`).\n");
	drop(c);
}

/* ---- reading and merging ---- */

static void test_tables_merge_over_files(void **state)
{
	struct config *c;
	struct model_config *m;

	(void)state;
	put("b.toml",
	    "[models.m.providers.q]\ntype = \"openai\"\nmodel_name = \"2\"\napi_key_location = \"none\"\n");
	put("a.toml",
	    "[models.m]\nrouting = [\"q\", \"p\"]\n[models.m.providers.p]\ntype = \"openai\"\n"
	    "model_name = \"1\"\napi_key_location = \"none\"\n");
	c = load("{a,b}.toml", false);
	assert_non_null(c);
	m = config_model(c, B("m"));
	assert_int_equal(m->nrouting, 2);
	assert_true(bytes_eq(m->routing[0]->model_name, B("2")));
	assert_int_equal(issues.files, 2);
	drop(c);
}

/* In the order of their names, however the pattern puts them, and each once. */
static void test_files_come_sorted_and_once(void **state)
{
	struct config *c;

	(void)state;
	put("b.toml", "[server]\nfoo = 1\n");
	put("a.toml", "[server]\nbar = 1\n");
	put("c.toml", "[models.m]\nrouting = [\"p\"]\n[models.m.providers.p]\ntype = \"openai\"\n"
		      "model_name = \"1\"\napi_key_location = \"none\"\n");
	assert_null(load("{c,b,a,b}.toml", false));
	assert_int_equal(issues.files, 3);
	assert_int_equal(issues.len, 2);
	assert_true(bytes_ends(issues.at[0].file, B("a.toml")));
	drop(NULL);
	c = load("{c,c,?}.toml", false);
	assert_null(c);
	assert_int_equal(issues.files, 3);
	drop(NULL);
	c = load("{c,c}.toml", false);
	assert_non_null(c);
	drop(c);
}

/* As kubelet mounts a ConfigMap: names that lead into `..data`, which leads into a folder of its own. */
static void test_a_file_that_two_paths_lead_to_counts_once(void **state)
{
	struct config *c;

	(void)state;
	assert_int_equal(mkdir(in_dir("..2024_05_01"), 0700), 0);
	put("..2024_05_01/a.toml", "[gateway]\ndebug = true\n");
	put("..2024_05_01/b.toml",
	    "[models.m]\nrouting = [\"p\"]\n[models.m.providers.p]\ntype = \"openai\"\n"
	    "model_name = \"1\"\napi_key_location = \"none\"\n");
	put_link("..data", "..2024_05_01");
	put_link("a.toml", "..data/a.toml");
	put_link("b.toml", "..data/b.toml");
	c = load("**/*.toml", false);
	assert_non_null(c);
	assert_int_equal(issues.files, 2);
	drop(c);
	put_link("c.toml", "a.toml"); /* a link to a link, and a second name of the inode */
	put_hard_link("d.toml", "..2024_05_01/b.toml");
	c = load("{*.toml,**/*.toml}", false);
	assert_non_null(c);
	assert_int_equal(issues.files, 2);
	drop(c);
	put("e.toml", "[gateway]\ndebug = true\n"); /* the same text, but a file of its own */
	assert_null(load("**/*.toml", false));
	assert_report(
		"D/e.toml:2: `gateway.debug`: Found duplicate values in globbed TOML config files `D/a.toml` and `D/e.toml` (first at line 2; remove one of them)\n");
	drop(NULL);
}

static void test_what_stands_twice_is_refused_even_if_equal(void **state)
{
	(void)state;
	put("a.toml",
	    "[gateway]\ndebug = true\n[models.m]\nrouting = [\"p\"]\n[models.m.providers.p]\ntype = \"openai\"\n"
	    "model_name = \"1\"\napi_key_location = \"none\"\n");
	put("b.toml", "\n[gateway]\ndebug = true\n[models.m]\nproviders = 3\nrouting = [\"p\"]\n");
	assert_null(load("[ab].toml", false));
	assert_report(
		"D/b.toml:3: `gateway.debug`: Found duplicate values in globbed TOML config files `D/a.toml` and `D/b.toml` (first at line 2; remove one of them)\n"
		"D/b.toml:5: `models.m.providers`: Cannot merge `integer` from file `D/b.toml` into a table from file `D/a.toml` (keep one of them)\n"
		"D/b.toml:6: `models.m.routing`: Found duplicate values in globbed TOML config files `D/a.toml` and `D/b.toml` (first at line 4; remove one of them)\n");
	drop(NULL);
}

static void test_every_file_is_read_before_anyone_gives_up(void **state)
{
	(void)state;
	put("a.toml", "[gateway\n");
	put("b.toml", "x = \"\xff\"\n");
	put("c.toml", "y = 1 2\n");
	put("d.toml", "nonsense = 1\n");
	assert_null(load("?.toml", false));
	assert_report(
		"D/a.toml:1: Failed to parse config file as valid TOML: TOML parse error at line 1, column 9: unclosed table, expected `]` (`[gateway`)\n"
		"D/b.toml: Failed to read config file `D/b.toml`: stream did not contain valid UTF-8\n"
		"D/c.toml:1: Failed to parse config file as valid TOML: TOML parse error at line 1, column 5: string values must be quoted, expected literal string (`y = \"…\" \"…\"`)\n");
	drop(NULL);
}

static void test_errors_of_all_files_come_in_their_order(void **state)
{
	(void)state;
	put("b.toml", "[server]\nfoo = 1\n");
	put("a.toml", "[gateway]\n\ndebug = 1\nfoo = 2\n");
	assert_null(load("{b,a}.toml", false));
	assert_int_equal(issues.len, 3);
	assert_int_equal(issues.at[0].line, 3);
	assert_int_equal(issues.at[1].line, 4);
	assert_true(bytes_ends(issues.at[2].file, B("b.toml")));
	assert_true(bytes_eq(issues.at[2].key, B("server.foo")));
	drop(NULL);
}

static void test_byte_order_mark_and_crlf(void **state)
{
	struct config *c;

	(void)state;
	put("a.toml", "\xef\xbb\xbf[server]\r\nworkers = 2\r\n");
	c = load("a.toml", false);
	assert_non_null(c);
	assert_int_equal(c->server.workers, 2);
	drop(c);
}

static void test_unreadable_file_is_named(void **state)
{
	(void)state;
	put("a.toml", "");
	fault_setup("config.read");
	assert_true(load("a.toml", false) == NULL || !fault("never"));
	fault_setup(NULL);
#ifdef SIGNET_FAULTS
	assert_report("D/a.toml: Failed to read config file `D/a.toml`: Input/output error\n");
#endif
	config_issues_deinit(&issues);
}

/* ---- secrets ---- */

#define PROXY                                                                        \
	"[models.r]\nrouting = [\"d\"]\n[models.r.providers.d]\ntype = "             \
	"\"rust-proxy\"\nmodel_name = \"c\"\n"                                       \
	"api_endpoint = \"http://h/\"\ndevice_id_location = \"none\"\nsession_id = " \
	"\"very-secret\"\n"

#define CLANG                                                                               \
	"clang --target=wasm32 -nostdlib -ffreestanding -fno-builtin -mbulk-memory -O1 -w " \
	"-Wl,--no-entry -Wl,-z,stack-size=4096 -DCASE=GOOD -DIS_GOOD -o %s "                \
	"tests/unit/wasm/module.c"

static void build_module(const char *name)
{
	char command[512];

	snprintf(command, sizeof(command), CLANG, in_dir(name));
	assert_int_equal(system(command), 0);
}

static void test_secret_in_a_file_of_others(void **state)
{
	struct config *c;

	(void)state;
	mkdir(in_dir("rust_proxy"), 0700);
	build_module("rust_proxy/sign_bg.wasm");
	put("a.toml", PROXY);
	c = load("a.toml", true);
	assert_non_null(c);
	assert_int_equal(issues.len, 1); /* an endpoint without a path */
	drop(c);
	assert_int_equal(chmod(in_dir("a.toml"), 0644), 0);
	c = load("a.toml", true);
	assert_non_null(c);
	assert_int_equal(issues.len, 2);
	assert_true(issues.at[1].warning);
	assert_int_equal(issues.at[1].line, 8);
	drop(c);
	assert_int_equal(chmod(in_dir("a.toml"), 0602), 0);
	assert_null(load("a.toml", true));
	assert_false(issues.at[1].warning);
	assert_true(
		bytes_find(
			issues.at[1].text,
			B("models.r.providers.d.session_id: is a secret in a file that other users of this machine can write")) ==
		0);
	for (size_t i = 0; i < issues.len; i++)
		assert_true(bytes_find(issues.at[i].text, B("very-secret")) < 0);
	drop(NULL);
}

/* ---- signer modules ---- */

static void test_a_module_is_loaded_once_and_found_beside_its_file(void **state)
{
	struct config *c;

	(void)state;
	mkdir(in_dir("rust_proxy"), 0700);
	mkdir(in_dir("other"), 0700);
	build_module("rust_proxy/sign_bg.wasm");
	build_module("other/s.wasm");
	setenv("API_ENDPOINT", "http://h/", 1);
	setenv("DEVICE_ID", "d", 1);
	setenv("SID", "s", 1);
	setenv("SIGNET_DATA_DIR", in_dir("data"), 1);
	put("a.toml",
	    "[models.r]\nrouting = [\"a\", \"b\", \"c\"]\n"
	    "providers.a = { type = \"rust-proxy\", model_name = \"1\" }\n"
	    "providers.b = { type = \"rust-proxy\", model_name = \"2\" }\n"
	    "providers.c = { type = \"rust-proxy\", model_name = \"2\", signer.pool = 1 }\n");
	put("other/b.toml",
	    "[models.s]\nrouting = [\"a\"]\n[models.s.providers.a]\ntype = \"openai\"\nmodel_name = \"1\"\n"
	    "api_key_location = \"none\"\nsigner.path = \"s.wasm\"\n");
	c = load("{a,other/b}.toml", false);
	for (size_t i = 0; i < issues.len; i++)
		print_error("%.*s\n", BFMT(issues.at[i].text));
	assert_non_null(c);
	assert_non_null(config_model(c, B("r"))->routing[0]->signer.signer);
	assert_ptr_equal(config_model(c, B("r"))->routing[0]->signer.signer,
			 config_model(c, B("r"))->routing[1]->signer.signer);
	assert_ptr_not_equal(config_model(c, B("r"))->routing[0]->signer.signer,
			     config_model(c, B("r"))->routing[2]->signer.signer);
	assert_true(bytes_eq(signer_id(config_model(c, B("r"))->routing[0]->signer.signer),
			     B("models.r.providers.a")));
	assert_non_null(config_model(c, B("s"))->routing[0]->signer.signer);
	drop(c);
}

static void test_an_unusable_module_stops_also_a_check(void **state)
{
	(void)state;
	put("s.wasm", "no module");
	put("a.toml",
	    "[models.s]\nrouting = [\"a\"]\n[models.s.providers.a]\ntype = \"openai\"\nmodel_name = \"1\"\n"
	    "api_key_location = \"none\"\nsigner.path = \"s.wasm\"\nsigner.device_id_location = \"none\"\n");
	assert_null(load("a.toml", true));
	assert_int_equal(issues.len, 1);
	assert_int_equal(issues.at[0].line, 7);
	assert_true(bytes_starts(issues.at[0].text, B("Failed to get WasmSigner instance: ")));
	assert_true(bytes_ends(issues.at[0].text, B("(models.s.providers.a.signer)")));
	drop(NULL);
}

/* ---- shorthand ---- */

static void test_shorthand_models(void **state)
{
	struct config_options options = { .default_config = true, .offline = true };
	struct shorthands *made;
	struct config *c;
	struct model_config *m;
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	c = config_load(&options, &issues);
	assert_non_null(c);
	made = shorthands_new(c);
	assert_non_null(made);
	assert_null(shorthand_model(made, B("openai::gpt-4o"), &arena));
	assert_int_equal(error_last()->kind, ERR_API_KEY_MISSING);
	assert_true(bytes_eq(
		error_last()->message,
		B("API key missing for provider OpenAI: Environment variable `OPENAI_API_KEY` is missing")));
	shorthands_free(made);
	drop(c);
	setenv("OPENAI_API_KEY", "k", 1);
	c = config_load(&options, &issues);
	assert_non_null(c);
	made = shorthands_new(c);
	assert_non_null(made);
	m = shorthand_model(made, B("openai::ft:gpt-4o/x"), &arena);
	assert_non_null(m);
	assert_true(bytes_eq(m->name, B("openai::ft:gpt-4o/x")));
	assert_true(bytes_eq(m->routing[0]->name, B("openai")));
	assert_true(bytes_eq(m->routing[0]->model_name, B("ft:gpt-4o/x")));
	assert_true(bytes_eq(m->routing[0]->api_key.value, B("k")));
	assert_ptr_equal(shorthand_model(made, B("openai::ft:gpt-4o/x"), &arena), m);
	assert_null(shorthand_model(made, B("openai::"), &arena));
	assert_null(shorthand_model(made, B("gpt-4o"), &arena));
	assert_int_equal(error_last()->kind, ERR_MODEL_NOT_FOUND);
	assert_null(shorthand_model(made, B("gcp_vertex_anthropic::x"), &arena));
	assert_int_equal(error_last()->kind, ERR_CONFIG); /* no such place */
	assert_false(shorthand_is_reserved(B("gcp_vertex_anthropic::x")));
	m = shorthand_model(made, B("openai::responses::x"), &arena);
	assert_non_null(m);
	assert_true(bytes_eq(m->routing[0]->model_name, B("x")));
	assert_true(bytes_ends(m->routing[0]->endpoint, B("/v1/responses")));
	assert_null(shorthand_model(made, B("openai::responses::"), &arena));
	assert_false(shorthand_is_reserved(B("openai::x")));
	assert_false(shorthand_is_reserved(B("anthropic/x")));
	assert_null(shorthand_model(made, B("rust-proxy::x"), &arena));
	assert_int_equal(error_last()->kind, ERR_API_KEY_MISSING);
	assert_true(bytes_eq(
		error_last()->message,
		B("Failed to create DevApiClient: API_ENDPOINT, DEVICE_ID and SID are not set (rust-proxy::x); set API_ENDPOINT, DEVICE_ID, SID where Signet starts, or write `api_endpoint`, `device_id_location`, `session_id_location`")));
	arena_deinit(&arena);
	shorthands_free(made);
	drop(c);
}

static void test_shorthand_of_rust_proxy_loads_its_signer(void **state)
{
	struct shorthands *made;
	struct config *c;
	struct model_config *m;
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	put("a.toml", "");
	setenv("API_ENDPOINT", "http://h/", 1);
	setenv("DEVICE_ID", "d", 1);
	setenv("SID", "s", 1);
	setenv("SIGNET_DATA_DIR", in_dir("data"), 1);
	c = load("a.toml", false);
	assert_non_null(c);
	made = shorthands_new(c);
	assert_non_null(made);
	assert_null(shorthand_model(made, B("rust-proxy::claude"), &arena));
	assert_int_equal(error_last()->kind, ERR_SIGNER);
	mkdir(in_dir("rust_proxy"), 0700);
	build_module("rust_proxy/sign_bg.wasm");
	m = shorthand_model(made, B("rust-proxy::claude"), &arena);
	assert_non_null(m);
	assert_non_null(m->routing[0]->signer.signer);
	assert_true(bytes_eq(
		((struct rust_proxy_options *)m->routing[0]->options)->session_id.value, B("s")));
	assert_true(bytes_eq(m->routing[0]->model_name, B("claude")));
	assert_ptr_equal(shorthand_model(made, B("rust-proxy::claude"), &arena), m);
	arena_deinit(&arena);
	shorthands_free(made);
	drop(c);
}

/* Invented names cannot fill memory: 1,000 stay, the rest lives as long as its request. */
static void test_shorthands_that_stay_are_bounded(void **state)
{
	struct config_options options = { .default_config = true, .offline = true };
	struct shorthands *made;
	struct config *c;
	struct model_config *m, *again;
	struct arena arena;
	char name[1024];

	(void)state;
	setenv("OPENAI_API_KEY", "k", 1);
	c = config_load(&options, &issues);
	assert_non_null(c);
	made = shorthands_new(c);
	assert_non_null(made);
	arena_init(&arena, 64 << 20);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "openai::m%d", i);
		assert_non_null(shorthand_model(made, bytes_of(name), &arena));
	}
	m = shorthand_model(made, B("openai::one-more"), &arena);
	again = shorthand_model(made, B("openai::one-more"), &arena);
	assert_non_null(m);
	assert_ptr_not_equal(m, again);
	m = shorthand_model(made, B("openai::m7"), &arena);
	assert_ptr_equal(m, shorthand_model(made, B("openai::m7"), &arena));
	arena_deinit(&arena);
	shorthands_free(made);
	drop(c);
	c = config_load(&options, &issues);
	assert_non_null(c);
	made = shorthands_new(c);
	assert_non_null(made);
	arena_init(&arena, 64 << 20);
	memset(name, 'x', sizeof(name));
	memcpy(name, "openai::", 8);
	m = shorthand_model(made, (struct bytes){ name, sizeof(name) }, &arena);
	assert_ptr_not_equal(m,
			     shorthand_model(made, (struct bytes){ name, sizeof(name) }, &arena));
	arena_deinit(&arena);
	shorthands_free(made);
	drop(c);
}

struct asker {
	struct shorthands *made;
	struct model_config *found[50];
};

static void *ask(void *arg)
{
	struct asker *a = arg;
	struct arena arena;
	char name[32];

	arena_init(&arena, 1 << 20);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 50; i++) {
			snprintf(name, sizeof(name), "openai::m%d", i);
			a->found[i] = shorthand_model(a->made, bytes_of(name), &arena);
		}
	}
	arena_deinit(&arena);
	return NULL;
}

static void test_all_threads_get_the_same_shorthand(void **state)
{
	struct config_options options = { .default_config = true, .offline = true };
	struct asker askers[4];
	pthread_t threads[4];
	struct shorthands *made;
	struct config *c;

	(void)state;
	setenv("OPENAI_API_KEY", "k", 1);
	c = config_load(&options, &issues);
	assert_non_null(c);
	made = shorthands_new(c);
	assert_non_null(made);
	for (int i = 0; i < 4; i++) {
		askers[i].made = made;
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 50; i++) {
		assert_non_null(askers[0].found[i]);
		for (int k = 1; k < 4; k++)
			assert_ptr_equal(askers[k].found[i], askers[0].found[i]);
	}
	shorthands_free(made);
	drop(c);
}

static void test_ca_file_stands_beside_its_file(void **state)
{
	char want[128];
	struct config *c;

	(void)state;
	put("ca.pem", "");
	put("a.toml", "upstream.ca_file = \"ca.pem\"\n");
	c = load("a.toml", false);
	assert_non_null(c);
	snprintf(want, sizeof(want), "%s/ca.pem", dir);
	assert_true(bytes_eq(c->upstream.ca_file, bytes_of(want)));
	drop(c);
}

/* ---- signet check ---- */

/* Runs it with its output in files; returns the exit status. */
static int check(char *out, size_t size, const char *first, const char *second)
{
	char *argv[] = { (char *)first, (char *)second, NULL };
	int old_out = dup(1), old_err = dup(2), status;
	size_t n;
	FILE *f;

	fflush(stdout);
	assert_non_null(freopen(in_dir("out"), "we", stdout));
	assert_non_null(freopen(in_dir("err"), "we", stderr));
	status = config_check_main(second ? 2 : first ? 1 : 0, argv);
	fflush(stdout);
	fflush(stderr);
	dup2(old_out, 1);
	dup2(old_err, 2);
	close(old_out);
	close(old_err);
	f = fopen(in_dir("out"), "re");
	n = fread(out, 1, size - 1, f);
	fclose(f);
	f = fopen(in_dir("err"), "re");
	n += fread(out + n, 1, size - 1 - n, f);
	fclose(f);
	out[n] = '\0';
	return status;
}

static void test_check_and_its_exit_status(void **state)
{
	static char out[65536];
	char path[128], want[512];

	(void)state;
	signing_deinit(); /* the command starts the engine itself */
	put("a.toml", "[gateway]\n");
	put("b.toml", "[server]\nworker = 1\n");
	snprintf(path, sizeof(path), "%s", in_dir("a.toml"));
	assert_int_equal(check(out, sizeof(out), path, NULL), 0);
	assert_string_equal(out, "1 file is valid.\n");
	assert_int_equal(check(out, sizeof(out), path, in_dir("b.toml")), 1);
	snprintf(want, sizeof(want), "%s/b.toml:2: server.worker: unknown field `worker`", dir);
	assert_memory_equal(out, want, strlen(want));
	assert_non_null(strstr(out, "(did you mean `workers`?)\n"));
	assert_int_equal(check(out, sizeof(out), "--json", in_dir("b.toml")), 1);
	snprintf(want, sizeof(want),
		 "[{\"file\":\"%s/b.toml\",\"line\":2,\"key\":\"server.worker\",\"text\":\"server.",
		 dir);
	assert_memory_equal(out, want, strlen(want));
	assert_int_equal(check(out, sizeof(out), "--json", path), 0);
	assert_string_equal(out, "[]\n");
	assert_int_equal(check(out, sizeof(out), "--config-file", path), 0);
	assert_int_equal(check(out, sizeof(out), "--default-config", NULL), 0);
	assert_string_equal(out, "0 files are valid.\n");
	put("w.toml", "surfaces.default_model = \"m\"\n");
	assert_int_equal(check(out, sizeof(out), in_dir("w.toml"), NULL), 0);
	assert_non_null(strstr(
		out,
		"w.toml:1: warning: surfaces.default_model: `m` is no model of this configuration"));
	assert_null(strstr(out, "warning: /"));
	assert_int_equal(check(out, sizeof(out), "--help", NULL), 0);
	assert_memory_equal(out, "usage: signet check GLOB...\n", 28);
	assert_int_equal(check(out, sizeof(out), NULL, NULL), 2);
	assert_int_equal(check(out, sizeof(out), "--nope", NULL), 2);
	assert_int_equal(check(out, sizeof(out), "--config-file", NULL), 2);
	assert_int_equal(check(out, sizeof(out), "--default-config", path), 2);
	assert_int_equal(check(out, sizeof(out), in_dir("gone.toml"), NULL), 1);
	assert_int_equal(signing_init(), 0);
}

/* ---- addresses ---- */

static void test_addresses_are_read_as_they_will_be_called(void **state)
{
	static const struct {
		const char *text, *problem, *endpoint;
	} rows[] = {
		{ "https://api.openai.com/v1", NULL, "https://api.openai.com/v1/chat/completions" },
		{ "https://api.openai.com/v1/", NULL,
		  "https://api.openai.com/v1/chat/completions" },
		{ "HTTP://A.b:80?x=1#f", NULL, "http://a.b/chat/completions?x=1" },
		{ "http://b\xc3\xbc.example/a/../c", NULL,
		  "http://xn--b-eha.example/c/chat/completions" },
		{ "http://[::1]:8080", NULL, "http://[::1]:8080/chat/completions" },
		{ "foo", "relative URL without a base", NULL },
		{ "ftp://a/", "neither http nor https", NULL },
		{ "mailto:a@b", "neither http nor https", NULL },
		{ "http://", "empty host", NULL },
		{ "http:a", "empty host", NULL },
		{ "http:/a", "empty host", NULL },
		{ "http://u@a/", "user and password do not belong into a URL", NULL },
		{ "http://u:p@a/", "user and password do not belong into a URL", NULL },
		{ "http://a/b c", "white space in a URL", NULL },
		{ " http://a/", "white space in a URL", NULL },
		{ "http://a/\t", "white space in a URL", NULL },
		{ "http://a:65536/", "invalid port number", NULL },
		{ "http://[::1", "invalid IPv6 address", NULL },
		{ "http://1.2.3.999/", "invalid IPv4 address", NULL },
		{ "http://a\xff/", "it is not UTF-8", NULL },
	};
	struct arena a;

	(void)state;
	arena_init(&a, 1u << 20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bytes text = bytes_of(rows[i].text), endpoint;
		const char *problem = url_problem(text);

		if (rows[i].problem) {
			assert_non_null(problem);
			assert_string_equal(problem, rows[i].problem);
			continue;
		}
		assert_null(problem);
		endpoint = url_endpoint(text, B("chat/completions"), &a);
		assert_true(bytes_eq(endpoint, bytes_of(rows[i].endpoint)));
	}
	arena_deinit(&a);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, new_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_glob_dialect),
		cmocka_unit_test(test_hostile_glob_ends),
		cmocka_unit_test(test_addresses_are_read_as_they_will_be_called),
		IN_DIR(test_walk_does_not_follow_linked_directories),
		IN_DIR(test_more_than_10000_files_are_refused),
		IN_DIR(test_no_match_says_so),
		IN_DIR(test_a_broken_pattern_says_so),
		IN_DIR(test_a_folder_that_cannot_be_entered_says_so),
		IN_DIR(test_a_lone_star_warns),
		IN_DIR(test_tables_merge_over_files),
		IN_DIR(test_files_come_sorted_and_once),
		IN_DIR(test_a_file_that_two_paths_lead_to_counts_once),
		IN_DIR(test_what_stands_twice_is_refused_even_if_equal),
		IN_DIR(test_every_file_is_read_before_anyone_gives_up),
		IN_DIR(test_errors_of_all_files_come_in_their_order),
		IN_DIR(test_byte_order_mark_and_crlf),
		IN_DIR(test_unreadable_file_is_named),
		IN_DIR(test_secret_in_a_file_of_others),
		IN_DIR(test_a_module_is_loaded_once_and_found_beside_its_file),
		IN_DIR(test_an_unusable_module_stops_also_a_check),
		IN_DIR(test_shorthand_models),
		IN_DIR(test_shorthand_of_rust_proxy_loads_its_signer),
		IN_DIR(test_shorthands_that_stay_are_bounded),
		IN_DIR(test_all_threads_get_the_same_shorthand),
		IN_DIR(test_ca_file_stands_beside_its_file),
		IN_DIR(test_check_and_its_exit_status),
	};
	int failed;

	if (signing_init() != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	signing_deinit();
	return failed;
}
