/*
 * Shared by the files that write a client's event stream: write_chunks.c (what all have), chunks_tensorzero.c and
 * chunks_openai.c (the two shapes), edit_chunks.c (an upstream's own events).
 */
#ifndef SIGNET_WIRE_OPENAI_CHAT_WRITE_CHUNKS_H
#define SIGNET_WIRE_OPENAI_CHAT_WRITE_CHUNKS_H

#include "wire/openai_chat/write_answer.h"

/* A block that was begun: what indexes count. */
struct begun {
	enum part_type type;
	unsigned choice;
	struct bytes id;
	bool sealed; /* a thought whose signature the client has */
};

/* What the surfaces' chunks differ in. All write one or more whole events, but for print_*, open and close. */
struct chunk_shape {
	/* what is the same in every chunk, before and behind what a delta adds */
	void (*print_head)(struct pen *, const struct answer *);
	void (*print_tail)(struct pen *, const struct answer *);
	/* a chunk around the value of its delta, open for further members */
	void (*open)(const struct wire_writer *, struct pen *);
	void (*close)(const struct wire_writer *, struct pen *);
	int (*write_delta)(struct wire_writer *, struct pen *, const struct delta *);
	void (*write_end)(struct wire_writer *, struct pen *, const struct result *);
};
extern const struct chunk_shape chunks_tensorzero, chunks_openai;

struct wire_writer {
	const struct answer *a;
	const struct chunk_shape *shape;
	struct arena *arena;
	struct bytes head, tail; /* of the shape */
	struct begun *blocks;
	size_t nblocks, cblocks;
	unsigned choice; /* that the next chunk is of */
	/* bits of the choices that began, that had a call, whose finish reason is out */
	unsigned role_sent, called, finish_sent;
	bool usage_sent, stream_broken;
	bool raws_pending; /* the failed attempts' raw entries are not out yet */
	/* pass-through: the kind of event that came last (delta.alike), and what comes of it around the holes */
	const char *alike;
	struct bytes pieces[DELTA_HOLES + 1]; /* [0] unset: such events are edited one by one */
};

/* Where each part of a delta stands; blocks begin in the order of the parts. */
struct places {
	size_t block[DELTA_PARTS];
	bool fresh[DELTA_PARTS]; /* the block begins with this part */
};
int chunk_places(struct wire_writer *, const struct delta *, struct places *);
#define CHOICE_BIT(choice) (1u << (choice))
/* The number of calls of its choice that began before that block. */
size_t chunk_call_index(const struct wire_writer *, size_t block);

/* An entry of tensorzero_extra_content. */
void chunk_put_extra(struct pen *, const struct part *, size_t block);
/* The members that were asked for with the raw text, and whether there are any. */
bool chunk_shows_raw(const struct wire_writer *, const struct delta *);
void chunk_put_raws(const struct wire_writer *, struct pen *, const struct delta *);

/* edit_chunks.c: the upstream's own event goes out. */
int chunk_pass(struct wire_writer *, struct pen *, const struct delta *);

#endif
