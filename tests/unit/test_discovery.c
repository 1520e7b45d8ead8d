/*
 * The list of models of a developer API: who is let through, under which name, and what happens when the list cannot be had.
 * Lists stay for the life of the process, so each case has a device of its own.
 */
#include "client_harness.h"

#include "base/fault.h"
#include "route/target.h"
#include "upstream/rust_proxy.h"

/* ---- the upstream: one answer a connection ---- */

static const char *_Atomic answer_body, *_Atomic answer_status;
static _Atomic int fetches, nameless;
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static char seen[1024]; /* the last request's head */

static void *serve_lists(void *arg)
{
	int fd;

	while ((fd = accept(up_listen, NULL, NULL)) >= 0) {
		char *got = hear(fd, "\r\n\r\n", 3000), head[200];

		pthread_mutex_lock(&seen_lock);
		snprintf(seen, sizeof seen, "%s", got);
		pthread_mutex_unlock(&seen_lock);
		nameless += strstr(got, "device-id: \r\n") != NULL;
		free(got);
		fetches++;
		if (answer_body) {
			snprintf(head, sizeof head,
				 "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
				 answer_status, strlen(answer_body));
			send(fd, head, strlen(head), MSG_NOSIGNAL); /* who asked may be gone */
			send(fd, answer_body, strlen(answer_body), MSG_NOSIGNAL);
		} else {
			closes(fd, 3000); /* it never answers */
		}
		close(fd);
	}
	return arg;
}

/* ---- asking ---- */

static struct rust_proxy_options options;
static struct model_config model = { .name = B("m") };
static struct provider_config provider = { .model = &model, .name = B("p"), .options = &options };
static char endpoint[64];

static struct {
	const char *device, *name;
	uint64_t patience_ms;
	/* what became of it */
	int r;
	enum error_kind kind;
	char got[200]; /* the name, or the message */
} asked;

static void run_admit(struct harness *h)
{
	static const struct config config;
	struct arena a;
	struct call_context context = { .config = &config, .client = h->client, .arena = &a };
	struct bytes name = bytes_of(asked.name);
	uint64_t before;

	arena_init(&a, 1 << 20);
	options.device_id =
		(struct credential){ .kind = CREDENTIAL_STATIC, .value = bytes_of(asked.device) };
	before = fiber_deadline_narrow(asked.patience_ms ? clock_mono_ms() + asked.patience_ms
							 : TIME_NEVER);
	asked.r = discovery_admit(&provider, &context, &name);
	asked.kind = asked.r ? error_last()->kind : ERR_NONE;
	snprintf(asked.got, sizeof asked.got, "%.*s", BFMT(asked.r ? error_last()->message : name));
	fiber_deadline_restore(before);
	arena_deinit(&a);
}

static void admit(struct harness *h, const char *device, const char *name)
{
	asked.device = device;
	asked.name = name;
	harness_begin(h, run_admit);
	harness_join(h);
}

static void expect_refused(const char *name)
{
	char want[200];

	snprintf(want, sizeof want, "Model '%s' is not available or has no usage left", name);
	assert_string_equal(asked.got, want);
	assert_int_equal(asked.r, -1);
	assert_int_equal(asked.kind, ERR_INVALID_REQUEST);
}

static pthread_t thread;
static size_t lists; /* made so far */

static int begin(void **state)
{
	start(state);
	for (size_t i = 0; i < provider_nentries; i++)
		if (provider_entries[i].kind &&
		    bytes_eq(provider_entries[i].kind->name, B("rust-proxy")))
			provider.kind = provider_entries[i].kind;
	snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u/models", up_port);
	options = (struct rust_proxy_options){
		.session_id = { .kind = CREDENTIAL_STATIC, .value = B("sid-1") },
		.os_type = B("3"),
		.accept_language = B("de"),
		.models_endpoint = bytes_of(endpoint),
		.filter = { .min_usage_left = -1 },
	};
	asked.patience_ms = 0;
	answer_status = "200 OK";
	answer_body =
		"[{\"modelName\":\"base-1\",\"modelType\":\"base\",\"isNew\":false,\"usageLeft\":0},"
		"{\"modelName\":\"new-1\",\"modelType\":\"premium\",\"isNew\":true,\"usageLeft\":1},"
		"{\"modelName\":\"used-1\",\"modelType\":\"premium\",\"isNew\":true,\"usageLeft\":0},"
		"{\"modelName\":\"twin-1\",\"modelType\":\"freeTrial\",\"isNew\":false,\"usageLeft\":5},"
		"{\"modelName\":\"twin-2\",\"modelType\":\"freeTrial\",\"isNew\":false,\"usageLeft\":4},"
		"{\"modelName\":\"twin\",\"modelType\":\"freeTrial\",\"isNew\":true,\"usageLeft\":3}]";
	fetches = 0;
	pthread_create(&thread, NULL, serve_lists, NULL);
	harness_start(*state);
	return 0;
}

static int end(void **state)
{
	fault_setup(NULL);
	shutdown(up_listen, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(up_listen);
	harness_stop_but(*state, lists);
	free(*state);
	return 0;
}

/* ---- who is let through ---- */

static void test_names_and_their_beginnings(void **state)
{
	struct harness *h = *state;

	lists++;
	admit(h, "names", "base-1");
	assert_int_equal(asked.r, 0);
	assert_string_equal(asked.got, "base-1");
	pthread_mutex_lock(&seen_lock);
	assert_non_null(strstr(seen, "GET /models HTTP/1.1\r\n"));
	assert_non_null(strstr(seen, "\r\naccept: application/json\r\n"));
	assert_non_null(strstr(seen, "\r\naccept-language: de\r\n"));
	assert_non_null(strstr(seen, "\r\ndevice-id: names\r\n"));
	assert_non_null(strstr(seen, "\r\nos-type: 3\r\n"));
	assert_non_null(strstr(seen, "\r\nsid: sid-1\r\n"));
	pthread_mutex_unlock(&seen_lock);
	admit(h, "names", "ba");
	assert_string_equal(asked.got, "base-1");
	admit(h, "names", "twin"); /* it is a name, whatever else begins so */
	assert_string_equal(asked.got, "twin");
	admit(h, "names", "twin-");
	expect_refused("twin-");
	admit(h, "names", "base-11");
	expect_refused("base-11");
	admit(h, "names", "used-1");
	expect_refused("used-1");
	admit(h, "names", "new-1"); /* one is enough */
	assert_int_equal(asked.r, 0);
	assert_int_equal(fetches, 1);
}

static void test_filters(void **state)
{
	static const struct {
		const char *include, *exclude;
		int64_t least;
		bool only_new;
		const char *usable; /* a digit each */
	} cases[] = {
		{ NULL, NULL, -1, false, "110111" },
		{ "PREMIUM", NULL, -1, false, "010000" },
		{ "base", NULL, -1, false, "100000" },
		{ NULL, "base", -1, false, "010111" },
		{ "premium", "premium", 0, false, "000000" },
		{ NULL, NULL, -1, true, "010001" },
		{ NULL, NULL, 4, false, "100110" },
		{ NULL, NULL, 5, false, "100100" },
		{ NULL, NULL, 6, false, "100000" },
		{ NULL, NULL, 0, false, "110111" },
	};
	static const char *const names[] = {
		"base-1", "new-1", "used-1", "twin-1", "twin-2", "twin"
	};
	struct harness *h = *state;

	lists++;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bytes include = bytes_of(cases[i].include),
			     exclude = bytes_of(cases[i].exclude);
		struct model_list list = { 0 };
		struct arena a;
		size_t n = 0;

		options.filter = (struct model_filter){
			.include = { .at = &include, .len = bytes_set(include) },
			.exclude = { .at = &exclude, .len = bytes_set(exclude) },
			.min_usage_left = cases[i].least,
			.only_new = cases[i].only_new,
		};
		arena_init(&a, 1 << 20);
		list.arena = &a;
		for (size_t k = 0; k < 6; k++) {
			admit(h, "filters", names[k]);
			if ((asked.r == 0) != (cases[i].usable[k] == '1'))
				fail_msg("case %zu: %s: %s", i, names[k], asked.got);
		}
		/* what it offers is the same */
		assert_int_equal(discovery_list(&provider, &list), 0);
		for (size_t k = 0; k < 6; k++) {
			if (cases[i].usable[k] != '1')
				continue;
			assert_true(n < list.len);
			assert_true(bytes_eq(list.at[n].name, bytes_of(names[k])));
			assert_ptr_equal(list.at[n++].provider, &provider);
		}
		assert_int_equal(n, list.len);
		arena_deinit(&a);
	}
	assert_int_equal(fetches, 1);
}

/* Such a model is called through the provider that lists it, under its own name. */
static void test_a_name_that_only_a_list_has(void **state)
{
	struct harness *h = *state;
	struct provider_config *providers[] = { &provider };
	struct model_config *models[] = { &model }, with = model;
	struct config config = { .models = models, .nmodels = 1 };
	struct target t;
	struct arena a;

	lists++;
	admit(h, "target", "base-1");
	with.routing = providers;
	with.nrouting = 1;
	models[0] = &with;
	arena_init(&a, 1 << 20);
	assert_int_equal(target_resolve(&config, NULL, false, B("ba"), &a, &t), 0);
	assert_true(bytes_eq(t.model->name, B("base-1")));
	assert_true(bytes_eq(t.variant_name, B("base-1")));
	assert_true(bytes_eq(t.function_name, B("tensorzero::default")));
	assert_int_equal(t.model->nrouting, 1);
	assert_ptr_equal(t.model->routing[0]->model, t.model);
	assert_ptr_equal(t.model->routing[0]->options, &options);
	assert_true(bytes_eq(t.model->routing[0]->model_name, B("base-1")));
	assert_int_equal(target_resolve(&config, NULL, false, B("twin"), &a, &t), 0);
	assert_true(bytes_eq(t.model->name, B("twin")));
	assert_int_equal(target_resolve(&config, NULL, false, B("twin-"), &a, &t), -1);
	assert_int_equal(error_last()->kind, ERR_MODEL_NOT_FOUND);
	assert_int_equal(target_resolve(&config, NULL, false, B("used-1"), &a, &t), -1);
	assert_int_equal(target_resolve(&config, NULL, true, B("base-1"), &a, &t), -1);
	error_clear();
	arena_deinit(&a);
}

static void test_lists_are_of_their_endpoint(void **state)
{
	struct harness *h = *state;
	struct model_list list = { 0 };
	struct arena a;

	lists++;
	admit(h, "endpoint", "base-1");
	arena_init(&a, 1 << 20);
	list.arena = &a;
	assert_int_equal(discovery_list(&provider, &list), 0);
	assert_int_equal(list.len, 5);
	options.models_endpoint = B("http://127.0.0.1/other");
	list.len = 0;
	assert_int_equal(discovery_list(&provider, &list), 0);
	assert_int_equal(list.len, 0);
	options.models_endpoint = B(""); /* none: no list is asked for, every name passes */
	assert_int_equal(discovery_list(&provider, &list), 0);
	assert_int_equal(list.len, 0);
	admit(h, "nobody", "anything");
	assert_int_equal(asked.r, 0);
	assert_string_equal(asked.got, "anything");
	assert_int_equal(fetches, 1);
	arena_deinit(&a);
}

/* ---- without a list ---- */

static void test_a_list_that_cannot_be_had_stops_nobody(void **state)
{
	static const struct {
		const char *device, *status, *body;
	} cases[] = {
		{ "broken", "500 Internal Server Error", "[]" },
		{ "moved", "201 Created", "[]" },
		{ "garbage", "200 OK", "<html>" },
		{ "other", "200 OK", "{\"data\":5}" },
	};
	struct harness *h = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		lists++;
		answer_status = cases[i].status;
		answer_body = cases[i].body;
		for (int k = 0; k < 2; k++) { /* the second does not ask again so soon */
			admit(h, cases[i].device, "anything");
			assert_int_equal(asked.r, 0);
			assert_string_equal(asked.got, "anything");
			assert_int_equal(fetches, i + 1);
		}
	}
	lists++;
	answer_status = "200 OK"; /* an empty list is one */
	answer_body = "[]";
	admit(h, "empty", "anything");
	expect_refused("anything");
}

static void test_who_cannot_wait_for_it_is_not_let_through(void **state)
{
	struct harness *h = *state;

	lists++;
	answer_body = NULL;
	asked.patience_ms = 100;
	admit(h, "slow", "anything");
	assert_int_equal(asked.r, -1);
	assert_int_equal(asked.kind, ERR_DEADLINE);
}

#ifdef SIGNET_FAULTS
/* Whatever is missing for a look: nobody is stopped for good, nothing is left behind, and some seconds later it is looked
 * again. */
static void test_a_look_that_fails_inside_is_tried_again(void **state)
{
	static char devices[12][6000]; /* long: each copy of it is an allocation */
	struct harness *h = *state;
	int failed;

	for (size_t n = 0; n < 12; n++) {
		char spec[16];

		lists++;
		memset(devices[n], 'a' + (char)n, sizeof devices[n] - 1);
		snprintf(spec, sizeof spec, "alloc:%zu", n + 1);
		fault_setup(spec);
		admit(h, devices[n], "base-1");
		fault_setup(NULL);
		if (asked.r)
			assert_int_equal(asked.kind, ERR_OUT_OF_MEMORY);
	}
	failed = 12 - fetches;
	assert_true(failed > 3);
	usleep(5100000); /* RETRY_MS */
	for (size_t n = 0; n < 12; n++) {
		admit(h, devices[n], "anything");
		expect_refused("anything");
	}
	assert_int_equal(nameless, 0);
}
#endif

static void test_there_are_no_more_than_64_lists(void **state)
{
	struct harness *h = *state;
	char device[16];

	for (int n = 0; lists < 64; n++, lists++) {
		snprintf(device, sizeof device, "many-%d", n);
		admit(h, device, "anything");
		expect_refused("anything");
	}
	fetches = 0;
	admit(h, "one more", "anything");
	assert_int_equal(asked.r, 0);
	assert_int_equal(fetches, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_names_and_their_beginnings),
		T(test_filters),
		T(test_a_name_that_only_a_list_has),
		T(test_lists_are_of_their_endpoint),
		T(test_a_list_that_cannot_be_had_stops_nobody),
		T(test_who_cannot_wait_for_it_is_not_let_through),
#ifdef SIGNET_FAULTS
		T(test_a_look_that_fails_inside_is_tried_again),
#endif
		T(test_there_are_no_more_than_64_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
