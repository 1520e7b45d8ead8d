/*
 * TensorZero's ClickHouse schema as its migration 53 leaves it (storage §1.1-1.2): what Signet creates in an empty database,
 * so that either gateway may start there next. The texts are the server's own form of them: a test compares both databases
 * object by object, and a list of levels is part of a type, so that not a digit may differ.
 *
 * Tables come before views, because a view reads one and fills another. Names of columns that rows have come from
 * columns.h where Signet writes them.
 */
#include "store/clickhouse_schema.h"

#include "store/columns.h"

/* Of each quantilesTDigest. */
#define LEVELS                                                                                     \
	"(0.001, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12, 0.14, "   \
	"0.16, 0.18, 0.2, 0.22, 0.24, 0.26, 0.28, 0.3, 0.32, 0.34, 0.36, 0.38, 0.4, 0.42, 0.44, "  \
	"0.46, 0.48, 0.5, 0.52, 0.54, 0.56, 0.58, 0.6, 0.62, 0.64, 0.66, 0.68, 0.7, 0.72, 0.74, "  \
	"0.76, 0.78, 0.8, 0.82, 0.84, 0.86, 0.88, 0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, " \
	"0.98, 0.99, 0.991, 0.992, 0.993, 0.994, 0.995, 0.996, 0.997, 0.998, 0.999)"
#define FINISH \
	"Enum8('stop' = 1, 'length' = 2, 'tool_call' = 3, 'content_filter' = 4, 'unknown' = 5, 'stop_sequence' = 6)"
/* What uint_to_uuid() is spelt out to. */
#define UUID_OF(x)                                                  \
	"reinterpretAsUUID(concat(substring(reinterpretAsString(" x \
	"), 9, 8), substring(reinterpretAsString(" x "), 1, 8)))"

const unsigned clickhouse_migrations[] = { 0,  2,  3,  4,  5,  6,  8,  9,  11, 15, 16, 17,
					   18, 19, 20, 21, 22, 24, 25, 26, 27, 28, 29, 30,
					   31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42,
					   43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53 };
_Static_assert(COUNT(clickhouse_migrations) == CLICKHOUSE_MIGRATIONS, "storage §1.3");

const char clickhouse_function[] =
	"CREATE FUNCTION IF NOT EXISTS uint_to_uuid AS x -> " UUID_OF("x");

const struct clickhouse_table clickhouse_tables[] = {
	{ .name = "BatchModelInference",
	  .columns =
		  "inference_id UUID, batch_id UUID, function_name LowCardinality(String), variant_name "
		  "LowCardinality(String), episode_id UUID, input String, input_messages String, system "
		  "Nullable(String), tool_params Nullable(String), inference_params String, raw_request String, "
		  "model_name LowCardinality(String), model_provider_name LowCardinality(String), output_schema "
		  "Nullable(String), tags Map(String, String) DEFAULT map(), timestamp DateTime MATERIALIZED "
		  "UUIDv7ToDateTime(inference_id), dynamic_tools Array(String), dynamic_provider_tools "
		  "Array(String), allowed_tools Nullable(String), tool_choice Nullable(String), "
		  "parallel_tool_calls Nullable(Bool), " N_HASH " Nullable(UInt256)",
	  .engine = "MergeTree",
	  .order = "ORDER BY (batch_id, inference_id)" },
	{ .name = "BatchRequest",
	  .columns =
		  "batch_id UUID, id UUID, batch_params String, model_name LowCardinality(String), "
		  "model_provider_name LowCardinality(String), status Enum8('pending' = 1, 'completed' = 2, "
		  "'failed' = 3), errors Array(String), timestamp DateTime MATERIALIZED UUIDv7ToDateTime(id), "
		  "raw_request String, raw_response String, function_name LowCardinality(String), variant_name "
		  "LowCardinality(String), " N_HASH " Nullable(UInt256)",
	  .engine = "MergeTree",
	  .order = "ORDER BY (batch_id, id)" },
	{ .name = "BooleanMetricFeedback",
	  .columns =
		  "id UUID, target_id UUID, metric_name LowCardinality(String), value Bool, timestamp DateTime "
		  "MATERIALIZED UUIDv7ToDateTime(id), tags Map(String, String) DEFAULT map(), " N_HASH
		  " "
		  "Nullable(UInt256), INDEX id_index id TYPE bloom_filter GRANULARITY 1",
	  .engine = "MergeTree",
	  .order = "ORDER BY (metric_name, target_id)" },
	{ .name = "ChatInference",
	  .columns =
		  "id UUID, function_name LowCardinality(String), variant_name LowCardinality(String), "
		  "episode_id UUID, input String, output String, tool_params String, inference_params String, " N_MS
		  " "
		  "Nullable(UInt32), timestamp DateTime MATERIALIZED UUIDv7ToDateTime(id), tags Map(String, "
		  "String) DEFAULT map(), extra_body Nullable(String), ttft_ms Nullable(UInt32), dynamic_tools "
		  "Array(String), dynamic_provider_tools Array(String), allowed_tools Nullable(String), "
		  "tool_choice Nullable(String), parallel_tool_calls Nullable(Bool), " N_HASH
		  " Nullable(UInt256), INDEX "
		  "inference_id_index id TYPE bloom_filter GRANULARITY 1",
	  .engine = "MergeTree",
	  .order = "ORDER BY (function_name, variant_name, episode_id)" },
	{ .name = "ChatInferenceDatapoint",
	  .columns =
		  "dataset_name LowCardinality(String), function_name LowCardinality(String), id UUID, "
		  "episode_id Nullable(UUID), input String, output Nullable(String), tool_params String, tags "
		  "Map(String, String), auxiliary String, is_deleted Bool DEFAULT false, updated_at "
		  "DateTime64(6, 'UTC') DEFAULT now64(), staled_at Nullable(DateTime64(6, 'UTC')), "
		  "source_inference_id Nullable(UUID), is_custom Bool DEFAULT false, name Nullable(String), "
		  "dynamic_tools Array(String), dynamic_provider_tools Array(String), allowed_tools "
		  "Nullable(String), tool_choice Nullable(String), parallel_tool_calls Nullable(Bool), " N_HASH
		  " "
		  "Nullable(UInt256), INDEX id_index id TYPE bloom_filter GRANULARITY 1",
	  .engine = "ReplacingMergeTree",
	  .arguments = "updated_at, is_deleted",
	  .order = "ORDER BY (dataset_name, function_name, id)" },
	{ .name = "CommentFeedback",
	  .columns =
		  "id UUID, target_id UUID, target_type Enum8('inference' = 1, 'episode' = 2), value String, "
		  "timestamp DateTime MATERIALIZED UUIDv7ToDateTime(id), tags Map(String, String) DEFAULT "
		  "map(), " N_HASH
		  " Nullable(UInt256), INDEX id_index id TYPE bloom_filter GRANULARITY 1",
	  .engine = "MergeTree",
	  .order = "ORDER BY target_id" },
	{ .name = "ConfigSnapshot",
	  .columns =
		  "config String, extra_templates Map(String, String), hash UInt256, tensorzero_version String, "
		  "created_at DateTime64(6) DEFAULT now(), last_used DateTime64(6) DEFAULT now(), tags "
		  "Map(String, String) DEFAULT map()",
	  .engine = "ReplacingMergeTree",
	  .arguments = "last_used",
	  .order = "ORDER BY hash",
	  .granularity = 256 },
	{ .name = "DemonstrationFeedback",
	  .columns = "id UUID, inference_id UUID, value String, timestamp DateTime MATERIALIZED "
		     "UUIDv7ToDateTime(id), tags Map(String, String) DEFAULT map(), " N_HASH
		     " Nullable(UInt256), INDEX "
		     "id_index id TYPE bloom_filter GRANULARITY 1",
	  .engine = "MergeTree",
	  .order = "ORDER BY inference_id" },
	{ .name = "DeploymentID",
	  .columns =
		  "deployment_id String, dummy UInt32 DEFAULT 0, created_at DateTime DEFAULT now(), "
		  "version_number UInt32 DEFAULT 4294967295 - toUInt32(now())",
	  .engine = "ReplacingMergeTree",
	  .arguments = "version_number",
	  .order = "ORDER BY dummy" },
	{ .name = "DynamicEvaluationRun",
	  .columns =
		  "run_id_uint UInt128, variant_pins Map(String, String), tags Map(String, String), "
		  "project_name Nullable(String), run_display_name Nullable(String), is_deleted Bool DEFAULT "
		  "false, updated_at DateTime64(6, 'UTC') DEFAULT now(), " N_HASH
		  " Nullable(UInt256)",
	  .engine = "ReplacingMergeTree",
	  .arguments = "updated_at, is_deleted",
	  .order = "ORDER BY run_id_uint" },
	{ .name = "DynamicEvaluationRunEpisode",
	  .columns =
		  "run_id UUID, episode_id_uint UInt128, variant_pins Map(String, String), datapoint_name "
		  "Nullable(String), tags Map(String, String), is_deleted Bool DEFAULT false, updated_at "
		  "DateTime64(6, 'UTC') DEFAULT now(), " N_HASH " Nullable(UInt256)",
	  .engine = "ReplacingMergeTree",
	  .arguments = "updated_at, is_deleted",
	  .order = "ORDER BY episode_id_uint" },
	{ .name = "DynamicInContextLearningExample",
	  .columns =
		  "id UUID, function_name LowCardinality(String), variant_name LowCardinality(String), "
		  "namespace String, input String, output String, embedding Array(Float32), timestamp DateTime "
		  "MATERIALIZED UUIDv7ToDateTime(id)",
	  .engine = "MergeTree",
	  .order = "ORDER BY (function_name, variant_name, namespace)" },
	{ .name = "FloatMetricFeedback",
	  .columns =
		  "id UUID, target_id UUID, metric_name LowCardinality(String), value Float32, timestamp "
		  "DateTime MATERIALIZED UUIDv7ToDateTime(id), tags Map(String, String) DEFAULT map(), " N_HASH
		  " "
		  "Nullable(UInt256), INDEX id_index id TYPE bloom_filter GRANULARITY 1",
	  .engine = "MergeTree",
	  .order = "ORDER BY (metric_name, target_id)" },
	{ .name = "InferenceEvaluationRuns",
	  .columns =
		  "run_id_uint UInt128, evaluation_name String, function_name String, function_type "
		  "LowCardinality(String), dataset_name String, variant_names Array(String), metrics String, "
		  "source LowCardinality(String), " N_HASH
		  " Nullable(String), created_at DateTime64(3, 'UTC'), "
		  "updated_at DateTime64(3, 'UTC')",
	  .engine = "ReplacingMergeTree",
	  .arguments = "updated_at",
	  .order = "ORDER BY (run_id_uint)" },
	{ .name = "JsonInference",
	  .columns =
		  "id UUID, function_name LowCardinality(String), variant_name LowCardinality(String), "
		  "episode_id UUID, input String, output String, output_schema String, inference_params String, " N_MS
		  " Nullable(UInt32), timestamp DateTime MATERIALIZED UUIDv7ToDateTime(id), tags Map(String, "
		  "String) DEFAULT map(), extra_body Nullable(String), auxiliary_content String, ttft_ms "
		  "Nullable(UInt32), " N_HASH
		  " Nullable(UInt256), INDEX inference_id_index id TYPE bloom_filter "
		  "GRANULARITY 1",
	  .engine = "MergeTree",
	  .order = "ORDER BY (function_name, variant_name, episode_id)" },
	{ .name = "JsonInferenceDatapoint",
	  .columns =
		  "dataset_name LowCardinality(String), function_name LowCardinality(String), id UUID, "
		  "episode_id Nullable(UUID), input String, output Nullable(String), output_schema String, tags "
		  "Map(String, String), auxiliary String, is_deleted Bool DEFAULT false, updated_at "
		  "DateTime64(6, 'UTC') DEFAULT now64(), staled_at Nullable(DateTime64(6, 'UTC')), "
		  "source_inference_id Nullable(UUID), is_custom Bool DEFAULT false, name Nullable(String), " N_HASH
		  " "
		  "Nullable(UInt256), INDEX id_index id TYPE bloom_filter GRANULARITY 1",
	  .engine = "ReplacingMergeTree",
	  .arguments = "updated_at, is_deleted",
	  .order = "ORDER BY (dataset_name, function_name, id)" },
	{ .name = "ModelInference",
	  .columns =
		  "id UUID, inference_id UUID, raw_request String, raw_response String, model_name "
		  "LowCardinality(String), model_provider_name LowCardinality(String), input_tokens "
		  "Nullable(UInt32), output_tokens Nullable(UInt32), response_time_ms Nullable(UInt32), ttft_ms "
		  "Nullable(UInt32), timestamp DateTime MATERIALIZED UUIDv7ToDateTime(id), system "
		  "Nullable(String), input_messages String, output String, cached Bool DEFAULT false, "
		  "finish_reason Nullable(" FINISH "), " N_HASH
		  " Nullable(UInt256), cost Nullable(Decimal(18, 9)), "
		  "provider_cache_read_input_tokens Nullable(UInt32), " N_CACHE_WRITE
		  " Nullable(UInt32), function_name "
		  "LowCardinality(String) DEFAULT '', variant_name LowCardinality(String) DEFAULT '', INDEX "
		  "id_index id TYPE bloom_filter GRANULARITY 1",
	  .engine = "MergeTree",
	  .order = "ORDER BY inference_id" },
	{ .name = "ModelInferenceCache",
	  .columns =
		  "short_cache_key UInt64, long_cache_key FixedString(64), timestamp DateTime DEFAULT now(), "
		  "output String, raw_request String, raw_response String, is_deleted Bool DEFAULT false, "
		  "input_tokens Nullable(UInt32), output_tokens Nullable(UInt32), finish_reason Nullable(" FINISH
		  "), "
		  "INDEX idx_long_cache_key long_cache_key TYPE bloom_filter GRANULARITY 100",
	  .engine = "ReplacingMergeTree",
	  .arguments = "timestamp, is_deleted",
	  .order =
		  "PARTITION BY toYYYYMM(timestamp) PRIMARY KEY (short_cache_key) ORDER BY (short_cache_key, long_cache_key)",
	  .granularity = 256 },
	{ .name = "StaticEvaluationHumanFeedback",
	  .columns =
		  "metric_name LowCardinality(String), datapoint_id UUID, output String, value String, "
		  "feedback_id UUID, evaluator_inference_id UUID, timestamp DateTime MATERIALIZED "
		  "UUIDv7ToDateTime(feedback_id)",
	  .engine = "MergeTree",
	  .order = "ORDER BY (metric_name, datapoint_id, output)",
	  .granularity = 256 },
	{ .name = "TensorZeroMigration",
	  .columns =
		  "migration_id UInt32, migration_name String, gateway_version String, gateway_git_sha String, "
		  "applied_at DateTime64(6, 'UTC') DEFAULT now(), execution_time_ms UInt64, extra_data "
		  "Nullable(String)",
	  .engine = "MergeTree",
	  .order = "PRIMARY KEY (migration_id) ORDER BY (migration_id)" },
	{ .name = "BatchIdByInferenceId",
	  .columns = "inference_id UUID, batch_id UUID",
	  .engine = "MergeTree",
	  .order = "ORDER BY (inference_id)" },
	{ .name = "BooleanMetricFeedbackByTargetId",
	  .columns =
		  "id UUID, target_id UUID, metric_name LowCardinality(String), value Bool, tags Map(String, "
		  "String), " N_HASH " Nullable(UInt256)",
	  .engine = "MergeTree",
	  .order = "ORDER BY target_id" },
	{ .name = "BooleanMetricFeedbackByVariant",
	  .columns =
		  "function_name LowCardinality(String), variant_name LowCardinality(String), metric_name "
		  "LowCardinality(String), id_uint UInt128, target_id_uint UInt128, value Bool, feedback_tags "
		  "Map(String, String), " N_HASH " Nullable(UInt256)",
	  .engine = "MergeTree",
	  .order = "ORDER BY (function_name, metric_name, variant_name, id_uint)" },
	{ .name = "CommentFeedbackByTargetId",
	  .columns =
		  "id UUID, target_id UUID, target_type Enum8('inference' = 1, 'episode' = 2), value String, "
		  "tags Map(String, String), " N_HASH " Nullable(UInt256)",
	  .engine = "MergeTree",
	  .order = "ORDER BY target_id" },
	{ .name = "CumulativeUsage",
	  .columns = "type LowCardinality(String), count UInt64",
	  .engine = "SummingMergeTree",
	  .order = "ORDER BY type" },
	{ .name = "DemonstrationFeedbackByInferenceId",
	  .columns = "id UUID, inference_id UUID, value String, tags Map(String, String), " N_HASH
		     " Nullable(UInt256)",
	  .engine = "MergeTree",
	  .order = "ORDER BY inference_id" },
	{ .name = "DynamicEvaluationRunByProjectName",
	  .columns =
		  "run_id_uint UInt128, variant_pins Map(String, String), tags Map(String, String), "
		  "project_name String, run_display_name Nullable(String), is_deleted Bool DEFAULT false, "
		  "updated_at DateTime64(6, 'UTC') DEFAULT now(), " N_HASH " Nullable(UInt256)",
	  .engine = "ReplacingMergeTree",
	  .arguments = "updated_at, is_deleted",
	  .order = "ORDER BY (project_name, run_id_uint)" },
	{ .name = "DynamicEvaluationRunEpisodeByRunId",
	  .columns =
		  "run_id_uint UInt128, episode_id_uint UInt128, variant_pins Map(String, String), tags "
		  "Map(String, String), datapoint_name Nullable(String), is_deleted Bool DEFAULT false, "
		  "updated_at DateTime64(6, 'UTC') DEFAULT now(), " N_HASH " Nullable(UInt256)",
	  .engine = "ReplacingMergeTree",
	  .arguments = "updated_at, is_deleted",
	  .order = "ORDER BY (run_id_uint, episode_id_uint)" },
	{ .name = "EpisodeById",
	  .columns =
		  "episode_id_uint UInt128, count SimpleAggregateFunction(sum, UInt64), inference_ids "
		  "AggregateFunction(groupArray, UUID), min_inference_id_uint SimpleAggregateFunction(min, "
		  "UInt128), max_inference_id_uint SimpleAggregateFunction(max, UInt128)",
	  .engine = "AggregatingMergeTree",
	  .order = "ORDER BY episode_id_uint" },
	{ .name = "FeedbackByVariantStatistics",
	  .columns =
		  "function_name LowCardinality(String), variant_name LowCardinality(String), metric_name "
		  "LowCardinality(String), minute DateTime, feedback_mean AggregateFunction(avg, Float32), "
		  "feedback_variance AggregateFunction(varSampStable, Float32), count "
		  "SimpleAggregateFunction(sum, UInt64)",
	  .engine = "AggregatingMergeTree",
	  .order = "ORDER BY (function_name, metric_name, variant_name, minute)" },
	{ .name = "FeedbackTag",
	  .columns =
		  "metric_name LowCardinality(String), key String, value String, feedback_id UUID, " N_HASH
		  " "
		  "Nullable(UInt256)",
	  .engine = "MergeTree",
	  .order = "ORDER BY (metric_name, key, value)" },
	{ .name = "FloatMetricFeedbackByTargetId",
	  .columns =
		  "id UUID, target_id UUID, metric_name LowCardinality(String), value Float32, tags Map(String, "
		  "String), " N_HASH " Nullable(UInt256)",
	  .engine = "MergeTree",
	  .order = "ORDER BY target_id" },
	{ .name = "FloatMetricFeedbackByVariant",
	  .columns =
		  "function_name LowCardinality(String), variant_name LowCardinality(String), metric_name "
		  "LowCardinality(String), id_uint UInt128, target_id_uint UInt128, value Float32, "
		  "feedback_tags Map(String, String), " N_HASH " Nullable(UInt256)",
	  .engine = "MergeTree",
	  .order = "ORDER BY (function_name, metric_name, variant_name, id_uint)" },
	{ .name = "InferenceByEpisodeId",
	  .columns =
		  "episode_id_uint UInt128, id_uint UInt128, function_name LowCardinality(String), variant_name "
		  "LowCardinality(String), function_type Enum8('chat' = 1, 'json' = 2), " N_HASH
		  " Nullable(UInt256)",
	  .engine = "ReplacingMergeTree",
	  .arguments = "id_uint",
	  .order = "ORDER BY (episode_id_uint, id_uint)" },
	{ .name = "InferenceById",
	  .columns =
		  "id_uint UInt128, function_name LowCardinality(String), variant_name LowCardinality(String), "
		  "episode_id UUID, function_type Enum8('chat' = 1, 'json' = 2), " N_HASH
		  " Nullable(UInt256)",
	  .engine = "ReplacingMergeTree",
	  .arguments = "id_uint",
	  .order = "ORDER BY id_uint" },
	{ .name = "InferenceTag",
	  .columns =
		  "function_name LowCardinality(String), key String, value String, inference_id UUID, " N_HASH
		  " "
		  "Nullable(UInt256)",
	  .engine = "MergeTree",
	  .order = "ORDER BY (function_name, key, value)" },
	{ .name = "ModelProviderStatistics",
	  .columns =
		  "model_name LowCardinality(String), model_provider_name LowCardinality(String), minute "
		  "DateTime, response_time_ms_quantiles AggregateFunction(quantilesTDigest" LEVELS
		  ", Nullable(UInt32)), "
		  "ttft_ms_quantiles AggregateFunction(quantilesTDigest" LEVELS
		  ", Nullable(UInt32)), total_input_tokens "
		  "AggregateFunction(sum, Nullable(UInt32)), total_output_tokens AggregateFunction(sum, "
		  "Nullable(UInt32)), count AggregateFunction(count, UInt32), total_cost AggregateFunction(sum, "
		  "Nullable(Decimal(18, 9))), total_provider_cache_read_input_tokens AggregateFunction(sum, "
		  "Nullable(UInt32)), total_provider_cache_write_input_tokens AggregateFunction(sum, "
		  "Nullable(UInt32)), count_with_cost AggregateFunction(count, Nullable(Decimal(18, 9)))",
	  .engine = "AggregatingMergeTree",
	  .order = "ORDER BY (model_name, model_provider_name, minute)" },
	{ .name = "TagInference",
	  .columns =
		  "key String, value String, function_name LowCardinality(String), variant_name "
		  "LowCardinality(String), episode_id UUID, inference_id UUID, function_type Enum8('chat' = 1, "
		  "'json' = 2), is_deleted Bool DEFAULT false, updated_at DateTime64(6, 'UTC') DEFAULT now64(), " N_HASH
		  " Nullable(UInt256), INDEX inference_id_index inference_id TYPE bloom_filter GRANULARITY 1",
	  .engine = "ReplacingMergeTree",
	  .arguments = "updated_at, is_deleted",
	  .order = "ORDER BY (key, value, inference_id)" },
	{ .name = "VariantStatistics",
	  .columns =
		  "function_name LowCardinality(String), variant_name LowCardinality(String), minute DateTime, "
		  "processing_time_ms_quantiles AggregateFunction(quantilesTDigest" LEVELS
		  ", Nullable(UInt32)), "
		  "ttft_ms_quantiles AggregateFunction(quantilesTDigest" LEVELS
		  ", Nullable(UInt32)), total_input_tokens "
		  "AggregateFunction(sum, Nullable(UInt32)), total_output_tokens AggregateFunction(sum, "
		  "Nullable(UInt32)), count AggregateFunction(count, UInt32), total_cost AggregateFunction(sum, "
		  "Nullable(Decimal(18, 9))), total_provider_cache_read_input_tokens AggregateFunction(sum, "
		  "Nullable(UInt32)), total_provider_cache_write_input_tokens AggregateFunction(sum, "
		  "Nullable(UInt32)), count_with_cost AggregateFunction(count, Nullable(Decimal(18, 9)))",
	  .engine = "AggregatingMergeTree",
	  .order = "ORDER BY (function_name, variant_name, minute)" },
	{ 0 }
};

const struct clickhouse_view clickhouse_views[] = {
	{ "BatchIdByInferenceIdView", "BatchIdByInferenceId",
	  "SELECT inference_id, batch_id FROM BatchModelInference" },
	{ "BooleanMetricFeedbackByTargetIdView", "BooleanMetricFeedbackByTargetId",
	  "SELECT id, target_id, metric_name, value, tags, " N_HASH " FROM BooleanMetricFeedback" },
	{ "BooleanMetricFeedbackByVariantStatisticsView", "FeedbackByVariantStatistics",
	  "SELECT function_name, variant_name, metric_name, toStartOfMinute(UUIDv7ToDateTime(" UUID_OF(
		  "id_uint") ")) AS "
			     "minute, avgState(toFloat32(value)) AS feedback_mean, varSampStableState(toFloat32(value)) AS "
			     "feedback_variance, count() AS count FROM BooleanMetricFeedbackByVariant WHERE 1 = 1 GROUP BY "
			     "function_name, metric_name, variant_name, minute" },
	{ "BooleanMetricFeedbackByVariantView", "BooleanMetricFeedbackByVariant",
	  "WITH boolean_feedback AS (SELECT toUInt128(id) AS id_uint, metric_name, target_id, "
	  "toUInt128(target_id) AS target_id_uint, value, tags, " N_HASH
	  " FROM BooleanMetricFeedback), targets "
	  "AS (SELECT " UUID_OF(
		  "id_uint") " AS target_id, function_name, variant_name FROM InferenceById WHERE id_uint IN "
			     "(SELECT target_id_uint FROM boolean_feedback) UNION ALL SELECT " UUID_OF(
				     "episode_id_uint") " AS target_id, "
							"function_name, unique_variants[1] AS variant_name FROM (SELECT episode_id_uint, "
							"function_name, groupUniqArray(variant_name) AS unique_variants FROM InferenceByEpisodeId "
							"WHERE episode_id_uint IN (SELECT target_id_uint FROM boolean_feedback) GROUP BY "
							"(episode_id_uint, function_name)) WHERE length(unique_variants) = 1) SELECT t.function_name "
							"AS function_name, t.variant_name AS variant_name, f.metric_name AS metric_name, f.id_uint AS "
							"id_uint, f.target_id_uint AS target_id_uint, f.value AS value, f.tags AS feedback_tags, f." N_HASH
							" "
							"AS " N_HASH
							" FROM boolean_feedback AS f INNER JOIN targets AS t ON f.target_id = t.target_id" },
	{ "BooleanMetricFeedbackTagView", "FeedbackTag",
	  "SELECT metric_name, key, tags[key] AS value, id AS feedback_id, " N_HASH
	  " FROM BooleanMetricFeedback "
	  "ARRAY JOIN mapKeys(tags) AS key" },
	{ "ChatInferenceByEpisodeIdView", "InferenceByEpisodeId",
	  "SELECT toUInt128(episode_id) AS episode_id_uint, toUInt128(id) AS id_uint, function_name, "
	  "variant_name, 'chat' AS function_type, " N_HASH " FROM ChatInference" },
	{ "ChatInferenceByIdView", "InferenceById",
	  "SELECT toUInt128(id) AS id_uint, function_name, variant_name, episode_id, 'chat' AS "
	  "function_type, " N_HASH " FROM ChatInference" },
	{ "ChatInferenceTagView", "InferenceTag",
	  "SELECT function_name, key, tags[key] AS value, id AS inference_id, " N_HASH
	  " FROM ChatInference "
	  "ARRAY JOIN mapKeys(tags) AS key" },
	{ "CommentFeedbackByTargetIdView", "CommentFeedbackByTargetId",
	  "SELECT id, target_id, target_type, value, tags, " N_HASH " FROM CommentFeedback" },
	{ "CommentFeedbackTagView", "FeedbackTag",
	  "SELECT 'comment' AS metric_name, key, tags[key] AS value, id AS feedback_id, " N_HASH
	  " FROM "
	  "CommentFeedback ARRAY JOIN mapKeys(tags) AS key" },
	{ "CumulativeUsageView", "CumulativeUsage",
	  "SELECT tupleElement(t, 1) AS type, tupleElement(t, 2) AS count FROM (SELECT "
	  "arrayJoin([tuple('input_tokens', ifNull(input_tokens, 0)), tuple('output_tokens', "
	  "ifNull(output_tokens, 0)), tuple('model_inferences', 1)]) AS t FROM ModelInference WHERE "
	  "input_tokens IS NOT NULL)" },
	{ "DemonstrationFeedbackByInferenceIdView", "DemonstrationFeedbackByInferenceId",
	  "SELECT id, inference_id, value, tags, " N_HASH " FROM DemonstrationFeedback" },
	{ "DemonstrationFeedbackTagView", "FeedbackTag",
	  "SELECT 'demonstration' AS metric_name, key, tags[key] AS value, id AS feedback_id, " N_HASH
	  " FROM "
	  "DemonstrationFeedback ARRAY JOIN mapKeys(tags) AS key" },
	{ "DynamicEvaluationRunByProjectNameView", "DynamicEvaluationRunByProjectName",
	  "SELECT run_id_uint, variant_pins, tags, project_name, run_display_name, is_deleted, "
	  "updated_at, " N_HASH
	  " FROM DynamicEvaluationRun WHERE project_name IS NOT NULL ORDER BY project_name "
	  "ASC, run_id_uint ASC" },
	{ "DynamicEvaluationRunEpisodeByRunIdView", "DynamicEvaluationRunEpisodeByRunId",
	  "SELECT toUInt128(run_id) AS run_id_uint, episode_id_uint, variant_pins, tags, "
	  "datapoint_name, is_deleted, updated_at, " N_HASH
	  " FROM DynamicEvaluationRunEpisode ORDER BY "
	  "run_id_uint ASC, episode_id_uint ASC" },
	{ "EpisodeByIdChatView", "EpisodeById",
	  "SELECT toUInt128(episode_id) AS episode_id_uint, 1 AS count, groupArrayState(id) AS "
	  "inference_ids, toUInt128(min(id)) AS min_inference_id_uint, toUInt128(max(id)) AS "
	  "max_inference_id_uint FROM ChatInference WHERE toUInt128(episode_id) < "
	  "toUInt128(toUUID('09184e72-a000-7bbe-8d2c-96fe321549b5')) GROUP BY toUInt128(episode_id)" },
	{ "EpisodeByIdJsonView", "EpisodeById",
	  "SELECT toUInt128(episode_id) AS episode_id_uint, 1 AS count, groupArrayState(id) AS "
	  "inference_ids, toUInt128(min(id)) AS min_inference_id_uint, toUInt128(max(id)) AS "
	  "max_inference_id_uint FROM JsonInference WHERE toUInt128(episode_id) < "
	  "toUInt128(toUUID('09184e72-a000-7bbe-8d2c-96fe321549b5')) GROUP BY toUInt128(episode_id)" },
	{ "FloatMetricFeedbackByTargetIdView", "FloatMetricFeedbackByTargetId",
	  "SELECT id, target_id, metric_name, value, tags, " N_HASH " FROM FloatMetricFeedback" },
	{ "FloatMetricFeedbackByVariantStatisticsView", "FeedbackByVariantStatistics",
	  "SELECT function_name, variant_name, metric_name, toStartOfMinute(UUIDv7ToDateTime(" UUID_OF(
		  "id_uint") ")) AS "
			     "minute, avgState(value) AS feedback_mean, varSampStableState(value) AS feedback_variance, "
			     "count() AS count FROM FloatMetricFeedbackByVariant WHERE 1 = 1 GROUP BY function_name, "
			     "metric_name, variant_name, minute" },
	{ "FloatMetricFeedbackByVariantView", "FloatMetricFeedbackByVariant",
	  "WITH float_feedback AS (SELECT toUInt128(id) AS id_uint, metric_name, target_id, "
	  "toUInt128(target_id) AS target_id_uint, value, tags, " N_HASH
	  " FROM FloatMetricFeedback), targets AS "
	  "(SELECT " UUID_OF(
		  "id_uint") " AS target_id, function_name, variant_name FROM InferenceById WHERE id_uint IN "
			     "(SELECT target_id_uint FROM float_feedback) UNION ALL SELECT " UUID_OF(
				     "episode_id_uint") " AS target_id, function_name, "
							"unique_variants[1] AS variant_name FROM (SELECT episode_id_uint, function_name, "
							"groupUniqArray(variant_name) AS unique_variants FROM InferenceByEpisodeId WHERE "
							"episode_id_uint IN (SELECT target_id_uint FROM float_feedback) GROUP BY (episode_id_uint, "
							"function_name)) WHERE length(unique_variants) = 1) SELECT t.function_name AS function_name, "
							"t.variant_name AS variant_name, f.metric_name AS metric_name, f.id_uint AS id_uint, "
							"f.target_id_uint AS target_id_uint, f.value AS value, f.tags AS feedback_tags, f." N_HASH
							" AS " N_HASH " FROM "
							"float_feedback AS f INNER JOIN targets AS t ON f.target_id = t.target_id" },
	{ "FloatMetricFeedbackTagView", "FeedbackTag",
	  "SELECT metric_name, key, tags[key] AS value, id AS feedback_id, " N_HASH
	  " FROM FloatMetricFeedback "
	  "ARRAY JOIN mapKeys(tags) AS key" },
	{ "JsonInferenceByEpisodeIdView", "InferenceByEpisodeId",
	  "SELECT toUInt128(episode_id) AS episode_id_uint, toUInt128(id) AS id_uint, function_name, "
	  "variant_name, 'json' AS function_type, " N_HASH " FROM JsonInference" },
	{ "JsonInferenceByIdView", "InferenceById",
	  "SELECT toUInt128(id) AS id_uint, function_name, variant_name, episode_id, 'json' AS "
	  "function_type, " N_HASH " FROM JsonInference" },
	{ "JsonInferenceTagView", "InferenceTag",
	  "SELECT function_name, key, tags[key] AS value, id AS inference_id, " N_HASH
	  " FROM JsonInference "
	  "ARRAY JOIN mapKeys(tags) AS key" },
	{ "ModelProviderStatisticsView", "ModelProviderStatistics",
	  "SELECT model_name, model_provider_name, toStartOfMinute(timestamp) AS minute, "
	  "quantilesTDigestState" LEVELS "(response_time_ms) AS response_time_ms_quantiles, "
	  "quantilesTDigestState" LEVELS
	  "(ttft_ms) AS ttft_ms_quantiles, sumState(input_tokens) AS "
	  "total_input_tokens, sumState(output_tokens) AS total_output_tokens, countState() AS count, "
	  "sumState(cost) AS total_cost, sumState(provider_cache_read_input_tokens) AS "
	  "total_provider_cache_read_input_tokens, sumState(" N_CACHE_WRITE ") AS "
	  "total_provider_cache_write_input_tokens, countState(cost) AS count_with_cost FROM "
	  "ModelInference GROUP BY model_name, model_provider_name, minute" },
	{ "TagChatInferenceView", "TagInference",
	  "SELECT function_name, variant_name, episode_id, id AS inference_id, 'chat' AS function_type, "
	  "key, tags[key] AS value, " N_HASH
	  " FROM ChatInference ARRAY JOIN mapKeys(tags) AS key" },
	{ "TagJsonInferenceView", "TagInference",
	  "SELECT function_name, variant_name, episode_id, id AS inference_id, 'json' AS function_type, "
	  "key, tags[key] AS value, " N_HASH
	  " FROM JsonInference ARRAY JOIN mapKeys(tags) AS key" },
	{ "VariantStatisticsChatView", "VariantStatistics",
	  "SELECT function_name, variant_name, toStartOfMinute(timestamp) AS minute, "
	  "quantilesTDigestState" LEVELS "(" N_MS
	  ") AS processing_time_ms_quantiles, quantilesTDigestState" LEVELS "(ttft_ms) "
	  "AS ttft_ms_quantiles, countState() AS count FROM ChatInference GROUP BY function_name, "
	  "variant_name, minute" },
	{ "VariantStatisticsJsonView", "VariantStatistics",
	  "SELECT function_name, variant_name, toStartOfMinute(timestamp) AS minute, "
	  "quantilesTDigestState" LEVELS "(" N_MS
	  ") AS processing_time_ms_quantiles, quantilesTDigestState" LEVELS "(ttft_ms) "
	  "AS ttft_ms_quantiles, countState() AS count FROM JsonInference GROUP BY function_name, "
	  "variant_name, minute" },
	{ "VariantStatisticsModelView", "VariantStatistics",
	  "SELECT mi.function_name AS function_name, mi.variant_name AS variant_name, "
	  "toStartOfMinute(mi.timestamp) AS minute, sumState(mi.input_tokens) AS total_input_tokens, "
	  "sumState(mi.output_tokens) AS total_output_tokens, sumState(mi.cost) AS total_cost, "
	  "sumState(mi.provider_cache_read_input_tokens) AS total_provider_cache_read_input_tokens, "
	  "sumState(mi." N_CACHE_WRITE
	  ") AS total_provider_cache_write_input_tokens, countState(mi.cost) AS "
	  "count_with_cost FROM ModelInference AS mi WHERE mi.function_name != '' GROUP BY "
	  "mi.function_name, mi.variant_name, minute" },
	{ 0 }
};
