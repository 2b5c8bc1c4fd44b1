/* A closed-loop HTTP/1.1 load generator that understands event streams. One thread, epoll.
 *
 *   cc -O2 -o load load.c
 *   ./load -p PORT -u PATH -b BODY_FILE -c CONNECTIONS (-n REQUESTS | -d SECONDS) [-H 'name: value']... [-r RAMP_MS] [-s]
 *          [-k KEY_FILE [-K]]
 *
 * With -k each connection has its own key as a bearer token, from a file of lines of one length; with -K each request has
 * the next one.
 *
 * A reply counts as good with status 200 and the mock's last word "the-end" in it. With -s the numbered words of the
 * mock's streams are followed: time to the first, gaps between them, words that are missing, came twice or out of order.
 * Prints one line of JSON; times are milliseconds.
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

#define HEAD_BYTES 16384
#define CARRY 16
#define REQUEST_LIMIT_MS 120e3

typedef struct { double *values; long length, capacity; } Samples;
enum Chunked { SIZE, EXTENSION, DATA, DATA_END, TRAILER };

typedef struct {
    int fd;
    bool busy, connecting, reused, in_body, chunked, closing, ended;
    size_t sent;
    double begun_at, first_at, last_at;
    char head[HEAD_BYTES];
    size_t head_length;
    int status;
    long length, received;
    enum Chunked chunk_state;
    size_t chunk_left;
    bool line_empty;
    char *own_request;
    char carry[CARRY];
    size_t carry_length;
    long next_word;
} Connection;

static Connection *connections;
static char *request;
static size_t request_length;
static char *keys;
static size_t key_length, key_place;
static long key_count, next_key;
static bool keys_in_turn;
static int port, poller, connection_count = 1;
static bool streamed;
static long wanted, begun, good, bad, reconnects, words, duplicates, missing, bytes_in;
static double ends_at;
static Samples latencies, first_words, gaps;
static char first_failure[240];

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void add(Samples *samples, double value) {
    if (samples->length == samples->capacity) {
        samples->capacity = samples->capacity ? 2 * samples->capacity : 4096;
        samples->values = realloc(samples->values, samples->capacity * sizeof value);
    }
    samples->values[samples->length++] = value;
}

static void begin(Connection *connection);

static void disconnect(Connection *connection) {
    if (connection->fd >= 0) close(connection->fd);
    connection->fd = -1;
}

static void finish(Connection *connection, bool whole) {
    double now = now_ms();
    connection->busy = false;
    if (whole && connection->status == 200 && connection->ended) {
        good++;
        add(&latencies, now - connection->begun_at);
        if (streamed && connection->first_at) add(&first_words, connection->first_at - connection->begun_at);
    } else {
        if (!bad++) {
            int length = snprintf(first_failure, sizeof first_failure, "status %d, %s, %s: %.150s", connection->status, whole ? "whole" : "broken off", connection->ended ? "ended" : "without its end", connection->head);
            for (int i = 0; i < length && first_failure[i]; i++)
                if (first_failure[i] < 32 || first_failure[i] == '"' || first_failure[i] == '\\') first_failure[i] = ' ';
        }
        disconnect(connection);
    }
    if (connection->closing) {
        disconnect(connection);
        reconnects++;
    }
    begin(connection);
}

static void watch(Connection *connection, int operation, bool write) {
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = connection};
    epoll_ctl(poller, operation, connection->fd, &event);
}

static void send_request(Connection *connection) {
    const char *whole = connection->own_request ? connection->own_request : request;
    while (connection->sent < request_length) {
        ssize_t sent = send(connection->fd, whole + connection->sent, request_length - connection->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            watch(connection, EPOLL_CTL_MOD, true);
            return;
        }
        if (sent < 0) {
            finish(connection, false);
            return;
        }
        connection->sent += sent;
    }
}

static void start_over(Connection *connection) {
    connection->sent = connection->head_length = connection->carry_length = connection->chunk_left = 0;
    connection->in_body = connection->chunked = connection->closing = connection->ended = false;
    connection->status = 0;
    connection->length = -1;
    connection->received = connection->next_word = 0;
    connection->chunk_state = SIZE;
    connection->first_at = connection->last_at = 0;
    connection->head[0] = 0;
    if (connection->fd >= 0) {
        connection->reused = true;
        send_request(connection);
        return;
    }
    connection->reused = false;
    connection->connecting = true;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int on = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(connection->fd, (void *)&address, sizeof address) && errno != EINPROGRESS) perror("connect");
    watch(connection, EPOLL_CTL_ADD, true);
}

static void begin(Connection *connection) {
    if (wanted ? begun >= wanted : now_ms() >= ends_at) {
        disconnect(connection);
        return;
    }
    begun++;
    if (keys && (keys_in_turn || !connection->own_request)) {
        if (!connection->own_request) connection->own_request = memcpy(malloc(request_length), request, request_length);
        memcpy(connection->own_request + key_place, keys + next_key++ % key_count * (key_length + 1), key_length);
    }
    connection->busy = true;
    connection->begun_at = now_ms();
    start_over(connection);
}

/* Follows the mock's words through a piece of body; what might be cut at its end is looked at again with the next. */
static void scan(Connection *connection, const char *piece, size_t length, double now) {
    static char joined[(1 << 18) + CARRY];
    while (length) {
        size_t take = length > 1 << 18 ? 1 << 18 : length, total = connection->carry_length + take, from = 0;
        memcpy(joined, connection->carry, connection->carry_length);
        memcpy(joined + connection->carry_length, piece, take);
        piece += take;
        length -= take;
        if (streamed) {
            char *at;
            while ((at = memmem(joined + from, total - from, "w0", 2)) && at + 7 <= joined + total) {
                char *digits_end;
                long number = strtol(at + 1, &digits_end, 10);
                from = at + 7 - joined;
                if (digits_end != at + 7) continue;
                if (number < connection->next_word) duplicates++;
                else {
                    missing += number - connection->next_word;
                    connection->next_word = number + 1;
                }
                words++;
                if (connection->last_at) add(&gaps, now - connection->last_at);
                else connection->first_at = now;
                connection->last_at = now;
            }
        }
        if (memmem(joined, total, "the-end", 7)) connection->ended = true;
        size_t keep = total - from < CARRY - 9 ? total - from : CARRY - 9;
        memcpy(connection->carry, joined + total - keep, keep);
        connection->carry_length = keep;
    }
}

static bool take_chunked(Connection *connection, const char *at, size_t length, double now) { /* whether it is whole */
    while (length) {
        if (connection->chunk_state == DATA) {
            size_t take = length < connection->chunk_left ? length : connection->chunk_left;
            scan(connection, at, take, now);
            at += take;
            length -= take;
            if (!(connection->chunk_left -= take)) connection->chunk_state = DATA_END;
            continue;
        }
        char letter = *at++;
        length--;
        switch (connection->chunk_state) {
        case SIZE:
        case EXTENSION:
            if (letter == '\n') {
                connection->chunk_state = connection->chunk_left ? DATA : TRAILER;
                connection->line_empty = true;
            } else if (connection->chunk_state == SIZE) {
                char digit[2] = {letter, 0}, *end;
                long value = strtol(digit, &end, 16);
                if (*end) connection->chunk_state = EXTENSION;
                else connection->chunk_left = connection->chunk_left * 16 + value;
            }
            break;
        case DATA_END:
            if (letter == '\n') connection->chunk_state = SIZE;
            break;
        default:
            if (letter == '\n' && connection->line_empty) return true;
            connection->line_empty = letter == '\n' || (letter == '\r' && connection->line_empty);
        }
    }
    return false;
}

static bool take_head(Connection *connection, const char **at, size_t *length) { /* whether it is whole */
    size_t room = HEAD_BYTES - 1 - connection->head_length, take = *length < room ? *length : room, before = connection->head_length;
    memcpy(connection->head + before, *at, take);
    connection->head_length += take;
    connection->head[connection->head_length] = 0;
    char *end = strstr(connection->head, "\r\n\r\n");
    if (!end) return false;
    size_t used = end + 4 - connection->head - before;
    *at += used;
    *length -= used;
    connection->head[used + before - 2] = 0;
    connection->status = atoi(connection->head + 9);
    const char *declared = strcasestr(connection->head, "\r\ncontent-length:");
    if (declared) connection->length = atol(declared + 17);
    connection->chunked = strcasestr(connection->head, "\r\ntransfer-encoding: chunked") != NULL;
    connection->closing = strcasestr(connection->head, "\r\nconnection: close") != NULL;
    connection->in_body = true;
    return true;
}

static void receive(Connection *connection) {
    static char buffer[1 << 18];
    for (;;) {
        ssize_t got = recv(connection->fd, buffer, sizeof buffer, 0);
        double now = now_ms();
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            disconnect(connection);
            if (!connection->busy) return;
            if (!connection->head_length && connection->reused) { /* an idle connection that was closed meanwhile */
                reconnects++;
                start_over(connection);
                return;
            }
            finish(connection, got == 0 && connection->in_body && !connection->chunked && connection->length < 0);
            return;
        }
        bytes_in += got;
        const char *at = buffer;
        size_t length = got;
        if (!connection->in_body && !take_head(connection, &at, &length)) continue;
        bool whole;
        if (connection->chunked) whole = take_chunked(connection, at, length, now);
        else {
            scan(connection, at, length, now);
            connection->received += length;
            whole = connection->length >= 0 && connection->received >= connection->length;
        }
        if (whole) {
            finish(connection, true);
            return;
        }
        if (got < (ssize_t)sizeof buffer) return;
    }
}

static bool read_keys(const char *name) {
    FILE *file = fopen(name, "rb");
    if (!file) return false;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    keys = malloc(size + 1);
    if (size < 2 || fread(keys, 1, size, file) != (size_t)size) return false;
    fclose(file);
    keys[size] = 0;
    key_length = strcspn(keys, "\n");
    key_count = size / (key_length + 1);
    return key_count > 0;
}

static int by_value(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static void print_samples(const char *name, Samples *samples) {
    qsort(samples->values, samples->length, sizeof(double), by_value);
    printf(",\"%s\":{\"count\":%ld", name, samples->length);
    static const struct { const char *name; double share; } marks[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}, {"max", 1}};
    for (size_t i = 0; samples->length && i < sizeof marks / sizeof *marks; i++) {
        long place = marks[i].share * samples->length;
        printf(",\"%s\":%.4f", marks[i].name, samples->values[place < samples->length ? place : samples->length - 1]);
    }
    printf("}");
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    const char *path = "/", *body_file = NULL;
    static char headers[8192];
    double seconds = 0, ramp = 0;
    int option;
    while ((option = getopt(argc, argv, "p:u:b:c:n:d:H:r:sk:K")) > 0) switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'u': path = optarg; break;
        case 'b': body_file = optarg; break;
        case 'c': connection_count = atoi(optarg); break;
        case 'n': wanted = atol(optarg); break;
        case 'd': seconds = atof(optarg); break;
        case 'r': ramp = atof(optarg); break;
        case 's': streamed = true; break;
        case 'K': keys_in_turn = true; break;
        case 'k':
            if (!read_keys(optarg)) return 2;
            if (strlen(headers) + key_length + 32 > sizeof headers) return 2;
            strcat(headers, "Authorization: Bearer ");
            strncat(headers, keys, key_length);
            strcat(headers, "\r\n");
            break;
        case 'H':
            if (strlen(headers) + strlen(optarg) + 3 > sizeof headers) return 2;
            strcat(strcat(headers, optarg), "\r\n");
            break;
        default: return 2;
        }
    FILE *file = body_file ? fopen(body_file, "rb") : NULL;
    if (!file || !(wanted || seconds > 0)) {
        fprintf(stderr, "load: -b FILE and one of -n and -d are needed\n");
        return 2;
    }
    fseek(file, 0, SEEK_END);
    long body_length = ftell(file);
    rewind(file);
    request = malloc(body_length + sizeof headers + 1024);
    request_length = sprintf(request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nAccept: */*\r\nUser-Agent: load\r\n%sContent-Length: %ld\r\n\r\n", path, port, headers, body_length);
    if (keys) key_place = strstr(request, "Authorization: Bearer ") + strlen("Authorization: Bearer ") - request;
    if (fread(request + request_length, 1, body_length, file) != (size_t)body_length) return 2;
    request_length += body_length;

    connections = calloc(connection_count, sizeof *connections);
    poller = epoll_create1(0);
    double begun_at = now_ms(), checked_at = begun_at;
    ends_at = begun_at + seconds * 1e3;
    int opened = 0;
    static struct epoll_event events[512];
    for (;;) {
        double now = now_ms();
        for (; opened < connection_count && begun_at + ramp * opened / connection_count <= now; opened++) {
            connections[opened].fd = -1;
            begin(&connections[opened]);
        }
        bool busy = opened < connection_count;
        for (int i = 0; i < opened && !busy; i++) busy = connections[i].busy;
        if (!busy) break;
        int count = epoll_wait(poller, events, 512, opened < connection_count ? 1 : 50);
        for (int i = 0; i < count; i++) {
            Connection *connection = events[i].data.ptr;
            if (connection->fd < 0) continue;
            if (events[i].events & EPOLLOUT) {
                if (connection->connecting) {
                    int failure = 0;
                    socklen_t size = sizeof failure;
                    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
                    connection->connecting = false;
                    if (failure) {
                        finish(connection, false);
                        continue;
                    }
                }
                watch(connection, EPOLL_CTL_MOD, false);
                send_request(connection);
            }
            if (connection->fd >= 0 && (events[i].events & ~EPOLLOUT)) receive(connection);
        }
        if (now - checked_at > 500) {
            checked_at = now;
            for (int i = 0; i < opened; i++)
                if (connections[i].busy && now - connections[i].begun_at > REQUEST_LIMIT_MS) finish(&connections[i], false);
        }
    }
    double elapsed = (now_ms() - begun_at) / 1e3;
    printf("{\"seconds\":%.4f,\"good\":%ld,\"bad\":%ld,\"reconnects\":%ld,\"bytes\":%ld,\"words\":%ld,\"duplicates\":%ld,\"missing\":%ld,\"failure\":\"%s\"", elapsed, good, bad, reconnects, bytes_in, words, duplicates, missing, first_failure);
    print_samples("latency", &latencies);
    print_samples("first_word", &first_words);
    print_samples("gap", &gaps);
    printf("}\n");
    return 0;
}
