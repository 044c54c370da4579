/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * pubsub.c: channels. A channel refers to its subscribers and each subscriber to its channels: real
 * cycles.
 *
 * UNSUBSCRIBE cuts both ways. A connection that ends does not: it is only counted out, the channel
 * goes from the store when nobody is left, and the cycle of channel and dead connections is the
 * collector's. A channel that lives on drops its dead subscribers when its array is full.
 *
 * A channel's lock is held while a message is handed to its subscribers, each of whom has a box for
 * it; nothing waits for a socket there. So all of them get all messages in one order, and who left
 * under that lock gets none any more: what it did get is moved before the answer to UNSUBSCRIBE, or
 * a client that comes back at once would find, after the answer, a message from before it left, and
 * then a gap.
 */
#include "command.h"

#include <string.h>

struct channel {
    struct value v;
    pthread_mutex_t lock; /* taken inside the stripe's and outside of a client's */
    size_t live;          /* subscribers that have not left, these under the lock */
    size_t count;         /* used places of `subscribers` */
    mm_slot subscribers;  /* struct vec of struct client */
};

static mm_type channel_type = {
    .name = "channel",
    .size = sizeof(struct channel),
    .slots = MM_SLOTS(struct channel, subscribers),
};

/* A place for one more, in an array without the dead if that is enough, or else in one of twice the
 * size. */
static struct vec *make_room(struct channel *ch) {
    struct vec *old = mm_slot_held(&ch->subscribers);
    if (old != NULL && ch->count < old->room) {
        return old;
    }
    size_t open = 0;
    for (size_t i = 0; i < ch->count; i++) {
        open += !client_closed(mm_slot_held(&old->item[i]));
    }
    struct vec *fresh = vec_new(old == NULL ? 2 : open * 2 > old->room ? old->room * 2 : old->room);
    size_t n = 0;
    for (size_t i = 0; i < ch->count; i++) {
        struct client *c = mm_slot_held(&old->item[i]);
        if (!client_closed(c)) {
            mm_slot_init(&fresh->item[n++], mm_retain(c));
        }
    }
    ch->count = n;
    mm_slot_give(&ch->subscribers, fresh);
    return fresh;
}

static void channel_add(struct channel *ch, struct client *c) {
    pthread_mutex_lock(&ch->lock);
    struct vec *v = make_room(ch);
    mm_slot_store(&v->item[ch->count++], c);
    ch->live++;
    pthread_mutex_unlock(&ch->lock);
}

/* Counts c out; `cut`: forgets it too. True: nobody is left. */
static bool channel_remove(struct channel *ch, struct client *c, bool cut) {
    pthread_mutex_lock(&ch->lock);
    struct vec *v = mm_slot_held(&ch->subscribers);
    for (size_t i = 0; cut && i < ch->count; i++) {
        if (mm_slot_held(&v->item[i]) == c) {
            mm_slot *last = &v->item[--ch->count];
            if (last != &v->item[i]) {
                mm_slot_give(&v->item[i], mm_slot_load(last));
            }
            mm_slot_clear(last);
            break;
        }
    }
    bool empty = --ch->live == 0;
    pthread_mutex_unlock(&ch->lock);
    return empty;
}

static void reply_count(struct client *c, const char *what, struct bytes name) {
    reply_array(c, 3);
    reply_bulk(c, (struct bytes){what, strlen(what)});
    reply_bulk(c, name);
    reply_int(c, (int64_t)c->n_subs);
}

static void subscribe(struct client *c, struct bytes name) {
    struct spot p = spot_lock(&channels, name);
    struct group *own = mm_slot_held(&c->subs);
    if (group_find(own, name) == NULL) {
        if (p.entry == NULL) {
            struct channel *ch = obj_new(&channel_type);
            ch->v.kind = KIND_OTHER;
            spot_set(&p, ch);
        }
        channel_add(spot_value(&p), c);
        group_put(own, name, mm_slot_load(&p.entry->value));
        c->n_subs++;
    }
    spot_unlock(&p);
}

static bool leave(struct client *c, struct bytes name, bool cut) {
    struct spot p = spot_lock(&channels, name);
    struct group *own = mm_slot_held(&c->subs);
    bool member = own != NULL && group_find(own, name) != NULL;
    if (member) {
        if (channel_remove(spot_value(&p), c, cut)) {
            spot_delete(&p);
        }
        if (cut) {
            group_remove(own, name);
        }
        c->n_subs--;
    }
    spot_unlock(&p);
    if (member && cut) {
        client_take_pushed(c);
    }
    return member;
}

void cmd_subscribe(struct client *c) {
    if (mm_slot_held(&c->subs) == NULL) {
        mm_slot_give(&c->subs, group_new(KIND_OTHER));
    }
    for (size_t i = 1; i < c->n_args; i++) {
        subscribe(c, c->arg[i]);
        reply_count(c, "subscribe", c->arg[i]);
    }
}

static void unsubscribe_all(struct client *c) {
    mm_guard_enter();
    struct entry **e;
    size_t n = group_all(mm_slot_held(&c->subs), &e);
    for (size_t i = 0; i < n; i++) {
        leave(c, entry_key(e[i]), true);
        reply_count(c, "unsubscribe", entry_key(e[i]));
    }
    mm_root_free(e);
    mm_guard_leave();
}

void cmd_unsubscribe(struct client *c) {
    if (c->n_args == 1 && c->n_subs == 0) {
        reply_array(c, 3);
        reply_bulk(c, BYTES("unsubscribe"));
        reply_nil(c);
        reply_int(c, 0);
        return;
    }
    if (c->n_args == 1) {
        unsubscribe_all(c);
        return;
    }
    for (size_t i = 1; i < c->n_args; i++) {
        leave(c, c->arg[i], true);
        reply_count(c, "unsubscribe", c->arg[i]);
    }
}

void pubsub_leave_all(struct client *c) {
    if (c->n_subs == 0) {
        return;
    }
    mm_guard_enter();
    struct entry **e;
    size_t n = group_all(mm_slot_held(&c->subs), &e);
    for (size_t i = 0; i < n; i++) {
        leave(c, entry_key(e[i]), false);
    }
    mm_root_free(e);
    mm_guard_leave();
}

/* The message in the form that every subscriber gets, made once. */
static struct str *message(struct bytes name, struct bytes text) {
    struct client form = {0};
    reply_array(&form, 3);
    reply_bulk(&form, BYTES("message"));
    reply_bulk(&form, name);
    reply_bulk(&form, text);
    struct str *s = str_new((struct bytes){form.out.at, form.out.end});
    buffer_free(&form.out);
    return s;
}

/* Returns how many took it. */
static int64_t deliver(struct channel *ch, struct str *s) {
    int64_t reached = 0;
    pthread_mutex_lock(&ch->lock);
    struct vec *v = mm_slot_held(&ch->subscribers);
    for (size_t i = 0; i < ch->count; i++) {
        reached += client_push(mm_slot_held(&v->item[i]), s);
    }
    pthread_mutex_unlock(&ch->lock);
    return reached;
}

void cmd_publish(struct client *c) {
    int64_t reached = 0;
    struct str *s = message(c->arg[1], c->arg[2]);
    mm_guard_enter();
    struct channel *ch = store_get(&channels, c->arg[1]);
    if (ch != NULL) {
        reached = deliver(ch, s);
    }
    mm_guard_leave();
    mm_release(s);
    reply_int(c, reached);
}
