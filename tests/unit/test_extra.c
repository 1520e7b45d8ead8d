/* extra_body and extra_headers on finished requests (config §2.19, http-api §8). */
#include "unit.h"

#include "base/error.h"
#include "upstream/extra.h"

static struct arena arena;
static struct extra_scope scope = { B("v"), B("m"), B("p"), false };

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	return 0;
}

static struct extras one(struct extra *e)
{
	return (struct extras){ e, 1, 1 };
}

static void expect(const char *body, struct extra e, const char *want)
{
	struct extras none = { 0 }, list = one(&e);
	struct bytes b = bytes_of(body);

	if (extra_body_apply(&b, &none, &list, &scope, &arena))
		fail_msg("%s: %.*s", want, BFMT(error_last()->message));
	assert_int_equal(b.n, strlen(want));
	assert_memory_equal(b.p, want, b.n);
}

static void expect_error(const char *body, struct extra e, const char *want)
{
	struct extras none = { 0 }, list = one(&e);
	struct bytes b = bytes_of(body);

	assert_int_equal(extra_body_apply(&b, &none, &list, &scope, &arena), -1);
	assert_int_equal(error_last()->kind, ERR_EXTRA_BODY);
	assert_string_equal(arena_dup(&arena, error_last()->message).p, want);
}

static struct extra set(const char *pointer, const char *value)
{
	return (struct extra){ .pointer = bytes_of(pointer), .value = bytes_of(value) };
}

static struct extra take(const char *pointer)
{
	return (struct extra){ .pointer = bytes_of(pointer), .remove = true };
}

static void test_a_member_is_set_in_its_place_and_numbers_keep_their_digits(void **state)
{
	(void)state;
	expect("{\"a\":1.50,\"b\":2,\"c\":1e-7}", set("/b", "12345678901234567890123"),
	       "{\"a\":1.50,\"b\":12345678901234567890123,\"c\":1e-7}"); /* providers-openai §8 #77 */
	expect("{\"a\":1}", set("/x/y/z", "{\"k\":[1]}"),
	       "{\"a\":1,\"x\":{\"y\":{\"z\":{\"k\":[1]}}}}");
	expect("{\"a\":{}}", set("/a/s~1t~0u", "\"v\""), "{\"a\":{\"s/t~u\":\"v\"}}");
	expect("{}", set("//a", "1"), "{\"\":{\"a\":1}}"); /* a name of no characters */
	expect("{\"\":{}}", set("//a", "1"), "{\"\":{\"a\":1}}");
	expect("{\"a\":1}", set("/~", "1"), "{\"a\":1,\"~\":1}");
	expect("{\"a\":1}", set("/~2~", "1"), "{\"a\":1,\"~2~\":1}");
}

static void test_arrays_take_an_index_that_exists_or_the_append_sign(void **state)
{
	(void)state;
	expect("{\"a\":[1,2]}", set("/a/1", "9"), "{\"a\":[1,9]}");
	expect("{\"a\":[1,2]}", set("/a/-", "3"), "{\"a\":[1,2,3]}");
	expect("{\"a\":[{\"b\":1}]}", set("/a/0/b", "2"), "{\"a\":[{\"b\":2}]}");
	expect("{\"a\":[1,2]}", take("/a/0"), "{\"a\":[2]}");
	expect("{\"a\":[1,2,3]}", take("/a/2"), "{\"a\":[1,2]}");
	expect("{\"a\":[1,2]}", take("/a/2"), "{\"a\":[1,2]}");
	expect("{\"a\":[1,2]}", take("/a/01"), "{\"a\":[1,2]}");
	expect("{\"a\":[[7]]}", set("/a/0/0", "8"), "{\"a\":[[8]]}");
	expect("{\"a\":[]}", set("/a/-", "{\"b\":1.0}"), "{\"a\":[{\"b\":1.0}]}");
	expect_error(
		"{\"a\":[1]}", take("/a/-"),
		"Error replacing extra body: `Cannot delete using array append operator `-`` with pointer: `/a/-`");
	expect_error(
		"{\"a\":[1]}", set("/a/00", "1"),
		"Error replacing extra body: `Could not find array index 00 in target array (len 1)` with pointer: `/a/00`");
	expect_error(
		"{\"a\":[1]}", set("/a/1/b", "1"),
		"Error replacing extra body: `Could not find array index 1 in target array (len 1)` with pointer: `/a/1/b`");
	expect_error(
		"{\"a\":[1]}", set("/a/123456789012345678901234567890", "1"),
		"Error replacing extra body: `Could not find array index 123456789012345678901234567890 in target array (len 1)` with pointer: `/a/123456789012345678901234567890`");
	expect_error(
		"{\"a\":[1]}", set("/a/3", "1"),
		"Error replacing extra body: `Could not find array index 3 in target array (len 1)` with pointer: `/a/3`");
	expect_error(
		"{\"a\":[1]}", set("/a/-/b", "1"),
		"Error replacing extra body: `Array append operator `-` can only be used at the end of a pointer` with pointer: `/a/-/b`");
}

static void test_members_are_removed_and_missing_ones_do_no_harm(void **state)
{
	(void)state;
	expect("{\"a\":1,\"b\":2}", take("/a"), "{\"b\":2}");
	expect("{\"a\":1}", take("/x/y"), "{\"a\":1}");
	expect("{\"a\":1}", take("/x"), "{\"a\":1}");
}

static void test_tensorzero_fills_the_gap_with_the_last_member(void **state)
{
	(void)state;
	scope.fill_with_last = true;
	expect("{\"a\":1,\"b\":2,\"c\":3,\"d\":4}", take("/b"), "{\"a\":1,\"d\":4,\"c\":3}");
	expect("{\"a\":1,\"b\":2}", take("/b"), "{\"a\":1}");
	expect("{\"a\":1}", take("/x"), "{\"a\":1}");
	scope.fill_with_last = false;
}

static void test_bad_pointers_are_named(void **state)
{
	(void)state;
	expect_error("{}", set("", "1"),
		     "Error replacing extra body: `Pointer cannot be empty` with pointer: ``");
	expect_error("{}", set("a", "1"),
		     "Error replacing extra body: `Pointer must start with '/'` with pointer: `a`");
	expect_error(
		"{}", set("/a/", "1"),
		"Error replacing extra body: `Pointer cannot end with '/'` with pointer: `/a/`");
	for (int deep = 0; deep < 2; deep++)
		expect_error(
			"{\"a\":5}", set(deep ? "/a/b/c" : "/a/b", "1"),
			deep ? "Error replacing extra body: `Can only index into object or array - found target 5` with pointer: `/a/b/c`"
			     : "Error replacing extra body: `Can only index into object or array - found target 5` with pointer: `/a/b`");
	expect_error(
		"{}", set("/a/0", "1"),
		"Error replacing extra body: `TensorZero doesn't support pointing an index (0) if its container doesn't exist. We'd love to hear about your use case (& help)! Please open a GitHub Discussion: https://github.com/tensorzero/tensorzero/discussions/new` with pointer: `/a/0`");
	expect("{}", set("/a/-", "1"), "{\"a\":{\"-\":1}}");
	expect("{}", set("/a/01", "1"), "{\"a\":{\"01\":1}}");
	expect("{\"a\":5}", take("/a/b/c"), "{\"a\":5}");
	expect("{\"a\":[]}", take("/a/0/c"), "{\"a\":[]}");
	expect("{\"a\":1}", set("/b", "\"\\u001F\""), "{\"a\":1,\"b\":\"\\u001f\"}");
	expect_error("{}", set("/a", "{no"),
		     "Error replacing extra body: `the value is not JSON` with pointer: `/a`");
	expect("{\"a\":{}}", take("/a/0"), "{\"a\":{}}");
	expect_error(
		"{\"a\":{\"b\":1}}", set("/a/0", "1"),
		"Error replacing extra body: `TensorZero doesn't support pointing an index (0) if its container doesn't exist. We'd love to hear about your use case (& help)! Please open a GitHub Discussion: https://github.com/tensorzero/tensorzero/discussions/new` with pointer: `/a/0`");
	expect("{\"a\":{\"0\":2}}", set("/a/0", "1"), "{\"a\":{\"0\":1}}");
	expect("{\"a\":1}", set("/x~2~", "1"), "{\"a\":1,\"x~2~\":1}");
}

static void test_filters_choose_the_attempt(void **state)
{
	struct extra e = set("/a", "2");
	struct bytes body = B("{\"a\":1}");
	struct extras none = { 0 }, list = one(&e);

	(void)state;
	e.model_name = B("other");
	assert_int_equal(extra_body_apply(&body, &none, &list, &scope, &arena), 0);
	assert_true(bytes_eq(body, B("{\"a\":1}")));
	e.model_name = B("m");
	e.provider_name = B("p");
	assert_int_equal(extra_body_apply(&body, &none, &list, &scope, &arena), 0);
	assert_true(bytes_eq(body, B("{\"a\":2}")));
}

static void test_the_request_comes_after_the_provider(void **state)
{
	struct extra first = set("/a", "1"), second = set("/a", "2");
	struct extras provider = one(&first), request = one(&second);
	struct bytes body = B("{}");

	(void)state;
	assert_int_equal(extra_body_apply(&body, &provider, &request, &scope, &arena), 0);
	assert_true(bytes_eq(body, B("{\"a\":2}")));
}

static void test_headers_replace_and_delete_only_what_was_added(void **state)
{
	struct header_list l = { 0 };
	struct extra list[] = { { .pointer = B("X-A"), .value = B("1") },
				{ .pointer = B("Accept"), .value = B("x/y") },
				{ .pointer = B("x-a"), .remove = true },
				{ .pointer = B("user-agent"), .remove = true } };
	struct extras provider = { list, 4, 4 }, none = { 0 };

	(void)state;
	header_set(&l, B("accept"), B("a/b"), &arena);
	header_set(&l, B("user-agent"), B("Signet"), &arena);
	assert_int_equal(extra_headers_apply(&l, &provider, &none, &scope, &arena), 0);
	assert_int_equal(l.len, 2);
	assert_true(bytes_eq(l.at[0].value, B("x/y")));
	assert_true(bytes_eq(l.at[1].value, B("Signet")));
	list[0].value = B("a\r\nb: c");
	assert_int_equal(extra_headers_apply(&l, &provider, &none, &scope, &arena), -1);
}

static void test_a_filter_that_names_another_is_no_entry(void **state)
{
	static const struct extra filters[] = { { .variant_name = B("other") },
						{ .model_name = B("other") },
						{ .provider_name = B("other") },
						{ .variant_name = B("v"),
						  .model_name = B("other") } };

	(void)state;
	for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
		struct extra e = filters[i];
		struct extras list = one(&e), none = { 0 };
		struct header_list l = { 0 };
		struct bytes body = B("{\"a\" : 1}");

		e.pointer = B("/a");
		e.value = B("2");
		assert_false(extras_apply(&list, &scope));
		assert_int_equal(extra_body_apply(&body, &list, &none, &scope, &arena), 0);
		assert_true(bytes_eq(body, B("{\"a\" : 1}"))); /* not even printed anew */
		e.pointer = B("not a name");
		assert_int_equal(extra_headers_apply(&l, &list, &none, &scope, &arena), 0);
		assert_int_equal(l.len, 0);
	}
}

static void headers_are(struct extra e, int r, const char *message)
{
	struct extras list = one(&e), none = { 0 };
	struct header_list l = { 0 };

	assert_int_equal(extra_headers_apply(&l, &none, &list, &scope, &arena), r);
	assert_int_equal(l.len, r == 0);
	if (r)
		assert_string_equal(arena_dup(&arena, error_last()->message).p, message);
}

static void test_names_and_values_that_no_header_can_have(void **state)
{
	(void)state;
	headers_are(
		(struct extra){ .pointer = B("x-Z9!#$%&'*+-.^_`|~"), .value = B("a\tb \xc3\xa9") },
		0, NULL);
	headers_are((struct extra){ .pointer = B("x"), .value = B("") }, 0, NULL);
	headers_are((struct extra){ .pointer = B(""), .value = B("v") }, -1,
		    "Invalid header name ``: invalid HTTP header name");
	headers_are((struct extra){ .pointer = B("a b"), .value = B("v") }, -1,
		    "Invalid header name `a b`: invalid HTTP header name");
	headers_are((struct extra){ .pointer = B("a:"), .value = B("v") }, -1,
		    "Invalid header name `a:`: invalid HTTP header name");
	headers_are((struct extra){ .pointer = B("a"), .value = B("v\x1f") }, -1,
		    "Invalid header value `v\x1f`: failed to parse header value");
	headers_are((struct extra){ .pointer = B("a"), .value = B("v\x7f") }, -1,
		    "Invalid header value `v\x7f`: failed to parse header value");
}

static void test_a_header_is_deleted_wherever_it_stands(void **state)
{
	struct extra list[] = { { .pointer = B("a"), .value = B("1") },
				{ .pointer = B("b"), .value = B("2") },
				{ .pointer = B("c"), .value = B("3") },
				{ .pointer = B("A"), .remove = true },
				{ .pointer = B("c"), .value = B("4") } };
	struct extras provider = { list, 3, 3 }, request = { list + 3, 2, 2 };
	struct header_list l = { 0 };

	(void)state;
	assert_int_equal(extra_headers_apply(&l, &provider, &request, &scope, &arena), 0);
	assert_int_equal(l.len, 2);
	for (size_t i = 0; i < l.len; i++)
		assert_true(
			bytes_eq(l.at[i].value, bytes_eq(l.at[i].name, B("c")) ? B("4") : B("2")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_member_is_set_in_its_place_and_numbers_keep_their_digits),
		cmocka_unit_test(test_arrays_take_an_index_that_exists_or_the_append_sign),
		cmocka_unit_test(test_members_are_removed_and_missing_ones_do_no_harm),
		cmocka_unit_test(test_tensorzero_fills_the_gap_with_the_last_member),
		cmocka_unit_test(test_bad_pointers_are_named),
		cmocka_unit_test(test_filters_choose_the_attempt),
		cmocka_unit_test(test_the_request_comes_after_the_provider),
		cmocka_unit_test(test_headers_replace_and_delete_only_what_was_added),
		cmocka_unit_test(test_a_filter_that_names_another_is_no_entry),
		cmocka_unit_test(test_names_and_values_that_no_header_can_have),
		cmocka_unit_test(test_a_header_is_deleted_wherever_it_stands),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
