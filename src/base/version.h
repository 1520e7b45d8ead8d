/* SIGNET_VERSION comes from meson.build. This is the version of TensorZero whose formats, tables and headers are spoken. */
#ifndef SIGNET_BASE_VERSION_H
#define SIGNET_BASE_VERSION_H

#define TENSORZERO_VERSION "2026.6.0"

#endif
