/* A model provider that is never the bottleneck: one thread, epoll, both dialects.
 *
 *   cc -O2 -o mock_upstream mock_upstream.c && ./mock_upstream PORT
 *
 * POST to a path that ends in /chat/completions answers as OpenAI, one that ends in /messages as Anthropic; a body with
 * "stream": true gets events, each in a write of its own. The words of a streamed reply are numbered ("w000000 w000001
 * ..."), so that a reader can tell whether one is missing, came twice or came in the wrong order. Every reply ends with
 * the word "the-end".
 *
 * GET /control?latency=MS&pace=MS&chunks=N&size=BYTES sets what follows (latency before a reply, pause between chunks,
 * chunks per stream, length of a whole reply's text); a model named "bench-lMS-pMS-cN-sBYTES", or with some of these,
 * sets it for its own requests. Each GET /control answers with the counters since the last ?reset=1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct { char *data; size_t length, capacity; } Bytes;
typedef struct { int latency, pace, chunks, size; } Settings;
enum Phase { READING, WAITING, STREAMING };

typedef struct Connection {
    int fd;
    bool dead, wants_write, anthropic, streamed, usage, close_after;
    enum Phase phase;
    Bytes in, out;
    size_t written;
    Settings settings;
    int next_chunk;
    double due;
    int place; /* in the heap; -1 is not there */
    struct Connection *next_dead;
} Connection;

static Settings defaults = {0, 0, 100, 160};
static struct { long requests, streams, chunks, connections, in_flight, most_in_flight, aborted; } counters;
static int poller;
static Connection *dead_connections;

/* Time and the heap of what is due. */

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static Connection **heap;
static int heap_length, heap_capacity;

static void heap_put(int place, Connection *connection) {
    heap[place] = connection;
    connection->place = place;
}

static void heap_settle(int place) {
    Connection *moved = heap[place];
    while (place > 0 && heap[(place - 1) / 2]->due > moved->due) {
        heap_put(place, heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        int child = 2 * place + 1;
        if (child >= heap_length) break;
        if (child + 1 < heap_length && heap[child + 1]->due < heap[child]->due) child++;
        if (heap[child]->due >= moved->due) break;
        heap_put(place, heap[child]);
        place = child;
    }
    heap_put(place, moved);
}

static void schedule(Connection *connection, double due) {
    connection->due = due;
    if (heap_length == heap_capacity) {
        heap_capacity = heap_capacity ? 2 * heap_capacity : 1024;
        heap = realloc(heap, heap_capacity * sizeof *heap);
    }
    heap_put(heap_length, connection);
    heap_settle(heap_length++);
}

static void unschedule(Connection *connection) {
    int place = connection->place;
    if (place < 0) return;
    connection->place = -1;
    Connection *last = heap[--heap_length];
    if (last != connection) {
        heap_put(place, last);
        heap_settle(place);
    }
}

/* Bytes in and out. */

static void append(Bytes *bytes, const char *data, size_t length) {
    if (bytes->length + length > bytes->capacity) {
        bytes->capacity = 2 * (bytes->length + length) + 4096;
        bytes->data = realloc(bytes->data, bytes->capacity + 1);
    }
    memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
}

static void append_text(Bytes *bytes, const char *text) { append(bytes, text, strlen(text)); }

static void drop(Connection *connection) {
    if (connection->dead) return;
    connection->dead = true;
    unschedule(connection);
    if (connection->phase != READING) {
        counters.in_flight--;
        counters.aborted++;
    }
    close(connection->fd);
    connection->next_dead = dead_connections;
    dead_connections = connection;
}

static void watch(Connection *connection, bool write) {
    if (write == connection->wants_write) return;
    connection->wants_write = write;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | (write ? EPOLLOUT : 0), .data.ptr = connection};
    epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event);
}

static bool flush(Connection *connection) { /* false when the connection is gone */
    Bytes *out = &connection->out;
    while (connection->written < out->length) {
        ssize_t sent = send(connection->fd, out->data + connection->written, out->length - connection->written, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            watch(connection, true);
            return true;
        }
        if (sent < 0) {
            drop(connection);
            return false;
        }
        connection->written += sent;
    }
    out->length = connection->written = 0;
    watch(connection, false);
    return true;
}

/* Replies. */

#define CHAT_ID "\"id\":\"chatcmpl-bench0123456789abcdefghijk\""
#define CHAT_CHUNK "data: {" CHAT_ID ",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\",\"choices\":["
#define MESSAGE_ID "\"id\":\"msg_bench0123456789abcdefghijk\""

static void append_sentence(Bytes *bytes, int size) {
    static const char words[] = "An answer of a length such as people get, so that reading and writing it costs what it costs. ";
    for (int length = 0; length < size; length += sizeof words - 1) append(bytes, words, sizeof words - 1);
    append_text(bytes, "the-end");
}

static void reply_whole(Connection *connection) {
    static Bytes body;
    body.length = 0;
    char head[400];
    if (connection->anthropic) {
        append_text(&body, "{" MESSAGE_ID ",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5-20250929\",\"content\":[{\"type\":\"text\",\"text\":\"");
        append_sentence(&body, connection->settings.size);
        append_text(&body, "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":412,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":34,\"service_tier\":\"standard\"}}");
    } else {
        append_text(&body, "{" CHAT_ID ",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
        append_sentence(&body, connection->settings.size);
        append_text(&body, "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":412,\"completion_tokens\":34,\"total_tokens\":446,\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}},\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\"}");
    }
    sprintf(head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_bench0123456789\r\nopenai-processing-ms: 12\r\n%sContent-Length: %zu\r\n\r\n",
            connection->close_after ? "Connection: close\r\n" : "", body.length);
    append_text(&connection->out, head);
    append(&connection->out, body.data, body.length);
}

static void append_event(Connection *connection, const char *event) {
    char size[24];
    sprintf(size, "%zx\r\n", strlen(event));
    append_text(&connection->out, size);
    append_text(&connection->out, event);
    append_text(&connection->out, "\r\n");
}

static void reply_stream_start(Connection *connection) {
    append_text(&connection->out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nx-request-id: req_bench0123456789\r\n");
    if (connection->close_after) append_text(&connection->out, "Connection: close\r\n");
    append_text(&connection->out, "Transfer-Encoding: chunked\r\n\r\n");
    if (connection->anthropic) {
        append_event(connection, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{" MESSAGE_ID ",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5-20250929\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":412,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1}}}\n\n");
        append_event(connection, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
    } else {
        append_event(connection, CHAT_CHUNK "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    }
}

static void reply_stream_word(Connection *connection, const char *word) {
    char event[600];
    sprintf(event,
            connection->anthropic
                ? "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}}\n\n"
                : CHAT_CHUNK "{\"index\":0,\"delta\":{\"content\":\"%s\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
            word);
    append_event(connection, event);
    counters.chunks++;
}

static void reply_stream_end(Connection *connection) {
    char event[600];
    int chunks = connection->settings.chunks;
    if (connection->anthropic) {
        append_event(connection, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n");
        sprintf(event, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":%d}}\n\n", chunks);
        append_event(connection, event);
        append_event(connection, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    } else {
        append_event(connection, CHAT_CHUNK "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n");
        if (connection->usage) {
            sprintf(event, CHAT_CHUNK "],\"usage\":{\"prompt_tokens\":412,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n", chunks, 412 + chunks);
            append_event(connection, event);
        }
        append_event(connection, "data: [DONE]\n\n");
    }
    append_text(&connection->out, "0\r\n\r\n");
}

static void read_requests(Connection *connection);

static void finish(Connection *connection) {
    connection->phase = READING;
    counters.in_flight--;
    if (!flush(connection)) return;
    if (connection->close_after && !connection->out.length) {
        drop(connection);
        return;
    }
    if (connection->in.length) read_requests(connection);
}

static void step(Connection *connection) { /* what was due */
    if (connection->phase == WAITING) {
        if (!connection->streamed) {
            reply_whole(connection);
            finish(connection);
            return;
        }
        counters.streams++;
        connection->phase = STREAMING;
        connection->next_chunk = 0;
        reply_stream_start(connection);
        if (flush(connection)) schedule(connection, now_ms() + connection->settings.pace);
        return;
    }
    if (connection->out.length) { /* a slow reader */
        schedule(connection, now_ms() + 1);
        return;
    }
    char word[40];
    sprintf(word, connection->next_chunk + 1 < connection->settings.chunks ? " w%06d" : " w%06d the-end", connection->next_chunk);
    connection->next_chunk++;
    reply_stream_word(connection, word);
    if (connection->next_chunk >= connection->settings.chunks) {
        reply_stream_end(connection);
        finish(connection);
        return;
    }
    if (flush(connection)) schedule(connection, connection->settings.pace ? connection->due + connection->settings.pace : now_ms());
}

/* Requests. */

static void read_setting(const char *text, const char *name, int *setting) {
    const char *found = strstr(text, name);
    if (found) *setting = atoi(found + strlen(name));
}

static void answer_control(Connection *connection, const char *target) {
    read_setting(target, "latency=", &defaults.latency);
    read_setting(target, "pace=", &defaults.pace);
    read_setting(target, "chunks=", &defaults.chunks);
    read_setting(target, "size=", &defaults.size);
    char body[400], head[200];
    int length = sprintf(body, "{\"requests\":%ld,\"streams\":%ld,\"chunks\":%ld,\"connections\":%ld,\"in_flight\":%ld,\"most_in_flight\":%ld,\"aborted\":%ld}",
                         counters.requests, counters.streams, counters.chunks, counters.connections, counters.in_flight, counters.most_in_flight, counters.aborted);
    if (strstr(target, "reset=")) {
        long in_flight = counters.in_flight;
        memset(&counters, 0, sizeof counters);
        counters.in_flight = counters.most_in_flight = in_flight;
    }
    append(&connection->out, head, sprintf(head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", length));
    append(&connection->out, body, length);
    flush(connection);
}

static const char *value_of(const char *body, size_t length, const char *key) {
    const char *found = memmem(body, length, key, strlen(key));
    if (!found) return "";
    found += strlen(key);
    while (*found == ' ' || *found == ':') found++;
    return found;
}

static void take_request(Connection *connection, char *head, const char *body, size_t length) {
    char *target = strchr(head, ' ');
    char *end = target ? strchr(target + 1, ' ') : NULL;
    if (!end) {
        drop(connection);
        return;
    }
    connection->close_after = strcasestr(head, "\r\nconnection: close") != NULL;
    *end = 0;
    if (!strncmp(target + 1, "/control", 8)) {
        answer_control(connection, target + 1);
        return;
    }
    Settings *settings = &connection->settings;
    *settings = defaults;
    const char *model = value_of(body, length, "\"model\"");
    if (!strncmp(model, "\"bench-", 7)) {
        for (const char *at = model + 6; *at == '-'; at += 2 + strspn(at + 2, "0123456789")) {
            int value = atoi(at + 2);
            if (at[1] == 'l') settings->latency = value;
            else if (at[1] == 'p') settings->pace = value;
            else if (at[1] == 'c') settings->chunks = value;
            else if (at[1] == 's') settings->size = value;
        }
    }
    connection->anthropic = strstr(target + 1, "/messages") != NULL;
    connection->streamed = *value_of(body, length, "\"stream\"") == 't';
    connection->usage = *value_of(body, length, "\"include_usage\"") == 't';
    connection->phase = WAITING;
    counters.requests++;
    if (++counters.in_flight > counters.most_in_flight) counters.most_in_flight = counters.in_flight;
    if (settings->latency) schedule(connection, now_ms() + settings->latency);
    else step(connection);
}

/* Joins the chunks of a chunked body in place; returns the bytes that it took, 0 while it is not whole. */
static size_t join_chunks(char *data, size_t length, size_t *joined) {
    char *at = data, *end = data + length, *to = data;
    for (;;) {
        char *line = memmem(at, end - at, "\r\n", 2);
        if (!line) return 0;
        size_t size = strtoul(at, NULL, 16);
        if (line + 2 + size + 2 > end) return 0;
        memmove(to, line + 2, size);
        to += size;
        at = line + 2 + size + 2;
        if (!size) break;
    }
    *joined = to - data;
    return at - data;
}

static bool whole_chunked(const char *data, size_t length) { return length >= 5 && !memcmp(data + length - 5, "0\r\n\r\n", 5); }

static void read_requests(Connection *connection) {
    while (!connection->dead && connection->phase == READING && connection->in.length) {
        Bytes *in = &connection->in;
        in->data[in->length] = 0;
        char *blank = memmem(in->data, in->length, "\r\n\r\n", 4);
        if (!blank) return;
        blank[2] = 0;
        char *body = blank + 4;
        size_t there = in->length - (body - in->data), length = 0, used;
        const char *declared = strcasestr(in->data, "\r\ncontent-length:");
        if (strcasestr(in->data, "\r\ntransfer-encoding: chunked")) {
            used = whole_chunked(body, there) ? join_chunks(body, there, &length) : 0;
            if (!used) {
                blank[2] = '\r';
                return;
            }
        } else {
            used = length = declared ? strtoul(declared + 17, NULL, 10) : 0;
            if (there < length) {
                blank[2] = '\r';
                return;
            }
        }
        /* What follows is set aside, for the reply may go on to it. */
        Bytes taken = *in;
        *in = (Bytes){0};
        if (there > used) append(in, body + used, there - used);
        take_request(connection, taken.data, body, length);
        if (!in->data && !connection->dead) {
            taken.length = 0;
            *in = taken;
        } else {
            free(taken.data);
        }
    }
}

static void receive(Connection *connection) {
    Bytes *in = &connection->in;
    for (;;) {
        if (in->capacity - in->length < 16384) {
            in->capacity = in->capacity ? 2 * in->capacity : 32768;
            in->data = realloc(in->data, in->capacity + 1);
        }
        size_t room = in->capacity - in->length;
        ssize_t got = recv(connection->fd, in->data + in->length, room, 0);
        if (got < 0 && errno == EAGAIN) break;
        if (got <= 0) {
            drop(connection);
            return;
        }
        in->length += got;
        if ((size_t)got < room) break;
    }
    read_requests(connection);
}

static void accept_all(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        Connection *connection = calloc(1, sizeof *connection);
        connection->fd = fd;
        connection->place = -1;
        counters.connections++;
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = connection};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 9900), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) {
        perror("mock_upstream");
        return 1;
    }
    poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[512];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int wait = -1;
        if (heap_length) {
            double left = heap[0]->due - now_ms();
            wait = left <= 0 ? 0 : (int)(left + 0.999);
        }
        int count = epoll_wait(poller, events, 512, wait);
        for (int i = 0; i < count; i++) {
            Connection *connection = events[i].data.ptr;
            if (!connection) {
                accept_all(listener);
                continue;
            }
            if (!connection->dead && (events[i].events & EPOLLOUT) && flush(connection) && connection->phase == READING && connection->close_after && !connection->out.length) drop(connection);
            if (!connection->dead && (events[i].events & ~EPOLLOUT)) receive(connection);
        }
        /* One step each: streams without a pace share fairly. */
        double now = now_ms();
        for (int turns = heap_length; turns > 0 && heap_length && heap[0]->due <= now; turns--) {
            Connection *connection = heap[0];
            unschedule(connection);
            step(connection);
        }
        while (dead_connections) {
            Connection *connection = dead_connections;
            dead_connections = connection->next_dead;
            free(connection->in.data);
            free(connection->out.data);
            free(connection);
        }
    }
}
