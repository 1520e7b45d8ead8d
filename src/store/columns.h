/*
 * What rows hold (storage §1.1, §6.3). A column's name stands here and nowhere else in src/: whoever writes a row
 * (route/record.c, which needs the literal) says N_X, whoever reads one goes by the cell's place. A table is one list,
 * in the order in which the journal has its row; from it come the enum of its cells, the reading of the row, and for
 * SQLite CREATE, INSERT and SELECT (schema.c).
 */
#ifndef SIGNET_STORE_COLUMNS_H
#define SIGNET_STORE_COLUMNS_H

#include "store/row.h"
#include "store/store.h"

#define N_ALLOWED_TOOLS  "allowed_tools"
#define N_ATTEMPT        "attempt"
#define N_ATTEMPTS       "attempts"
#define N_CACHED         "cached"
#define N_CACHE_READ     "provider_cache_read_input_tokens"
#define N_CACHE_WRITE    "provider_cache_write_input_tokens"
#define N_CALLS          "calls"
#define N_CONFIG         "config"
#define N_CONFIG_HASH    "hash"
#define N_COST           "cost"
#define N_COST_NANO      N_COST "_nano"
#define N_CREATED        "created"
#define N_CUT            "cut"
#define N_DYNAMIC_TOOLS  "dynamic_tools"
#define N_EPISODE        "episode_id"
#define N_ERROR          "error"
#define N_ERROR_KIND     "error_kind"
#define N_ESTIMATED      "estimated"
#define N_EXPIRES        "expires"
#define N_EXTRA_BODY     "extra_body"
#define N_FINISH         "finish_reason"
#define N_FUNCTION       "function_name"
#define N_HASH           "snapshot_hash"
#define N_HTTP_STATUS    "http_status"
#define N_ID             "id"
#define N_IN             "input_tokens"
#define N_INFERENCE      "inference_id"
#define N_INPUT          "input"
#define N_KEY            "key_public_id"
#define N_MESSAGES       "input_messages"
#define N_ASKED          "model"
#define N_MODEL          "model_name"
#define N_MS             "processing_time_ms"
#define N_OBJECT         "object"
#define N_OTHERS         "other_choices"
#define N_OUT            "output_tokens"
#define N_OUTPUT         "output"
#define N_PARALLEL       "parallel_tool_calls"
#define N_PARAMS         "inference_params"
#define N_PREVIOUS       "previous"
#define N_PREVIEW_IN     "preview_in"
#define N_PREVIEW_OUT    "preview_out"
#define N_PROVIDER       "model_provider_name"
#define N_PROVIDER_TOOLS "dynamic_provider_tools"
#define N_RAW_REQUEST    "raw_request"
#define N_RAW_RESPONSE   "raw_response"
#define N_RESPONSE_MS    "response_time_ms"
#define N_SIGNATURE      "signature"
#define N_SIGNED         "signed"
#define N_SPANS          "spans"
#define N_STATE          "state"
#define N_STATUS         "status"
#define N_STREAM         "stream"
#define N_SURFACE        "surface"
#define N_SYSTEM         "system"
#define N_TAGS           "tags"
#define N_TOOLS          "tools"
#define N_TOOL_CHOICE    "tool_choice"
#define N_TOOL_PARAMS    "tool_params"
#define N_TTFT           "ttft_ms"
#define N_TYPE           "function_type"
#define N_VARIANT        "variant_name"

/*
 * X(cell, kind, need, what stands when it is missing, its place in the table of a store). Places are for ever: a new
 * column takes the next one. 0: no column of the table. CUT is of the record (a raw body was over its cap), not of its row.
 */
#define LIST_COLUMNS(X) /* InferenceById, row 64 */ \
	X(ID, TEXT, REQUIRED, NULL, 1)              \
	X(FUNCTION, TEXT, FILLED, NULL, 2)          \
	X(VARIANT, TEXT, FILLED, NULL, 3)           \
	X(EPISODE, TEXT, NULLABLE, NULL, 4)         \
	X(TYPE, TEXT, NULLABLE, "chat", 5)          \
	X(HASH, HASH, NULLABLE, NULL, 6)            \
	X(STATE, TEXT, NULLABLE, "ok", 7)           \
	X(STATUS, INT, NULLABLE, NULL, 8)           \
	X(ERROR_KIND, TEXT, NULLABLE, NULL, 9)      \
	X(SURFACE, TEXT, NULLABLE, NULL, 10)        \
	X(STREAM, BOOL, NULLABLE, NULL, 11)         \
	X(CACHED, BOOL, NULLABLE, NULL, 12)         \
	X(SIGNED, BOOL, NULLABLE, NULL, 13)         \
	X(MODEL, TEXT, NULLABLE, NULL, 15)          \
	X(PROVIDER, TEXT, NULLABLE, NULL, 16)       \
	X(KEY, TEXT, NULLABLE, NULL, 17)            \
	X(ATTEMPTS, INT, NULLABLE, NULL, 18)        \
	X(IN, INT, NULLABLE, NULL, 19)              \
	X(OUT, INT, NULLABLE, NULL, 20)             \
	X(ESTIMATED, BOOL, NULLABLE, NULL, 21)      \
	X(COST_NANO, INT, NULLABLE, NULL, 22)       \
	X(MS, INT, NULLABLE, NULL, 23)              \
	X(TTFT, INT, NULLABLE, NULL, 24)            \
	X(FINISH, TEXT, NULLABLE, NULL, 25)         \
	X(TOOLS, INT, NULLABLE, NULL, 26)           \
	X(PREVIEW_IN, TEXT, NULLABLE, NULL, 27)     \
	X(PREVIEW_OUT, TEXT, NULLABLE, NULL, 28)    \
	X(CALLS, JSON, NULLABLE, NULL, 0)           \
	X(CUT, BOOL, NULLABLE, NULL, 14)

#define CHAT_COLUMNS(X) /* ChatInference, row 1 */  \
	X(ID, TEXT, REQUIRED, NULL, 1)              \
	X(FUNCTION, TEXT, REQUIRED, NULL, 2)        \
	X(VARIANT, TEXT, REQUIRED, NULL, 3)         \
	X(EPISODE, TEXT, REQUIRED, NULL, 4)         \
	X(INPUT, JSON, REQUIRED, NULL, 5)           \
	X(OUTPUT, JSON, REQUIRED, NULL, 6)          \
	X(DYNAMIC_TOOLS, JSON, NULLABLE, "[]", 13)  \
	X(PROVIDER_TOOLS, JSON, NULLABLE, "[]", 14) \
	X(ALLOWED_TOOLS, JSON, NULLABLE, NULL, 15)  \
	X(TOOL_CHOICE, JSON, NULLABLE, NULL, 16)    \
	X(PARALLEL, BOOL, NULLABLE, NULL, 17)       \
	X(TOOL_PARAMS, JSON, NULLABLE, "", 7)       \
	X(PARAMS, JSON, NULLABLE, "", 8)            \
	X(MS, INT, NULLABLE, NULL, 9)               \
	X(TTFT, INT, NULLABLE, NULL, 12)            \
	X(TAGS, JSON, NULLABLE, "{}", 10)           \
	X(EXTRA_BODY, JSON, NULLABLE, NULL, 11)     \
	X(HASH, HASH, NULLABLE, NULL, 18)

#define MODEL_COLUMNS(X) /* ModelInference, row 3 */ \
	X(ID, TEXT, REQUIRED, NULL, 1)               \
	X(INFERENCE, TEXT, REQUIRED, NULL, 2)        \
	X(FUNCTION, TEXT, NULLABLE, "", 20)          \
	X(VARIANT, TEXT, NULLABLE, "", 21)           \
	X(RAW_REQUEST, TEXT, REQUIRED, NULL, 3)      \
	X(RAW_RESPONSE, TEXT, REQUIRED, NULL, 4)     \
	X(SYSTEM, TEXT, NULLABLE, NULL, 11)          \
	X(MESSAGES, JSON, REQUIRED, NULL, 12)        \
	X(OUTPUT, JSON, REQUIRED, NULL, 13)          \
	X(IN, INT, NULLABLE, NULL, 7)                \
	X(OUT, INT, NULLABLE, NULL, 8)               \
	X(RESPONSE_MS, INT, NULLABLE, NULL, 9)       \
	X(MODEL, TEXT, REQUIRED, NULL, 5)            \
	X(PROVIDER, TEXT, REQUIRED, NULL, 6)         \
	X(TTFT, INT, NULLABLE, NULL, 10)             \
	X(CACHED, BOOL, REQUIRED, NULL, 14)          \
	X(COST, NANO, NULLABLE, NULL, 17)            \
	X(FINISH, TEXT, NULLABLE, NULL, 15)          \
	X(HASH, HASH, NULLABLE, NULL, 16)            \
	X(CACHE_READ, INT, NULLABLE, NULL, 18)       \
	X(CACHE_WRITE, INT, NULLABLE, NULL, 19)

/* An element of `calls` of row 64: Signet's own of a model inference. Places go on in ModelInference. */
#define CALL_COLUMNS(X)                         \
	X(ID, TEXT, REQUIRED, NULL, 0)          \
	X(ATTEMPT, INT, NULLABLE, NULL, 22)     \
	X(HTTP_STATUS, INT, NULLABLE, NULL, 23) \
	X(SIGNATURE, JSON, NULLABLE, NULL, 24)  \
	X(SPANS, JSON, NULLABLE, NULL, 25)      \
	X(OTHERS, JSON, NULLABLE, NULL, 26)

#define ERROR_COLUMNS(X) /* RequestError, row 65 */ \
	X(ID, TEXT, REQUIRED, NULL, 1)              \
	X(ERROR, JSON, NULLABLE, NULL, 2)           \
	X(ATTEMPTS, JSON, NULLABLE, "[]", 3)

/* Response, row 66: an answer of the Responses API that is kept (surfaces §4.5). Without input and object it was deleted. Times
 * are Unix seconds. */
#define RESPONSE_COLUMNS(X)                  \
	X(ID, TEXT, REQUIRED, NULL, 1)       \
	X(KEY, TEXT, NULLABLE, NULL, 2)      \
	X(CREATED, INT, NULLABLE, NULL, 3)   \
	X(EXPIRES, INT, NULLABLE, NULL, 4)   \
	X(PREVIOUS, TEXT, NULLABLE, NULL, 5) \
	X(ASKED, TEXT, NULLABLE, NULL, 6)    \
	X(INPUT, JSON, NULLABLE, NULL, 7)    \
	X(OBJECT, JSON, NULLABLE, NULL, 8)

#define CONFIG_COLUMNS(X) /* ConfigSnapshot, row 13 */ \
	X(CONFIG_HASH, JSON, REQUIRED, NULL, 0)        \
	X(CONFIG, TEXT, NULLABLE, "", 0)

#define X(cell, ...) L_##cell,
enum list_cell { LIST_COLUMNS(X) L_CELLS };
#undef X
#define X(cell, ...) C_##cell,
enum chat_cell { CHAT_COLUMNS(X) C_CELLS };
#undef X
#define X(cell, ...) M_##cell,
enum model_cell { MODEL_COLUMNS(X) M_CELLS };
#undef X
#define X(cell, ...) CALL_##cell,
enum call_cell { CALL_COLUMNS(X) CALL_CELLS };
#undef X
#define X(cell, ...) E_##cell,
enum error_cell { ERROR_COLUMNS(X) E_CELLS };
#undef X
#define X(cell, ...) R_##cell,
enum response_cell { RESPONSE_COLUMNS(X) R_CELLS };
#undef X
#define X(cell, ...) S_##cell,
enum snapshot_cell { CONFIG_COLUMNS(X) S_CELLS };
#undef X

extern const struct column list_columns[], chat_columns[], model_columns[], call_columns[],
	error_columns[], config_columns[], response_columns[];

/* Tables of a store. T_TAGS has no row of its own: it is made of the chat row's tags. */
enum table_id { T_LIST, T_CHAT, T_MODEL, T_ERROR, T_TAGS, TABLES };
struct table {
	const char *name;
	enum row_table row;                  /* of the journal */
	const struct column *columns, *more; /* `more`: from elsewhere in the record */
	size_t ncolumns, nmore;
	bool unique_id; /* its id is the key that says whether a row is there; else its seq */
};
extern const struct table tables[TABLES];
enum table_id table_of_row(uint8_t row); /* TABLES: none */

/* What row 64 left out because the rows beside it have it (decision 0007): of the chat row and the record's last model
 * row, each NULL if there is none. */
void list_fill(struct cell *list, const struct cell *chat, const struct cell *model);

#endif
