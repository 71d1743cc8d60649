/* SPDX-License-Identifier: MIT */
/* Tests of loop/loop: passes, deadlines, signals, and sources that vanish. */
#include "loop/loop.h"

#include "tests/check.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HOUR_MS = 3600 * 1000 };

static struct {
	struct loop loop;
	int passes, stops, last; /* the last pass to be made */
	uint64_t passed_at;
	void (*in_pass)(void);
} t;

static void pass(void *ctx)
{
	CHECK(ctx == &t);
	t.passes++;
	t.passed_at = t.loop.now;
	CHECK_INT(t.loop.next, t.loop.now + t.loop.interval);
	if (t.in_pass)
		t.in_pass();
}

static void stop(void *ctx)
{
	CHECK(ctx == &t);
	t.stops++;
}

static bool done(void *ctx)
{
	CHECK(ctx == &t);
	return t.passes >= t.last;
}

static const struct loop_role role = { pass, stop, done };

static void start(uint32_t interval_ms, int last)
{
	memset(&t, 0, sizeof(t));
	t.last = last;
	must(!loop_open(&t.loop, interval_ms, &role, &t), "open the loop");
}

/* A source that is ready as long as its count is not 0. */
struct counter {
	struct loop_source source;
	int calls;
	struct counter *other;
};

static struct counter *of_source(struct loop_source *source)
{
	return (struct counter *)(void *)((char *)source - offsetof(struct counter, source));
}

static struct counter *new_counter(void (*ready)(struct loop_source *, uint32_t))
{
	struct counter *c = calloc(1, sizeof(*c));

	must(c, "allocate");
	c->source.fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	c->source.ready = ready;
	must(!loop_watch(&t.loop, &c->source, EPOLLIN), "watch");
	return c;
}

static void take(struct loop_source *source)
{
	uint64_t count;

	must(read(source->fd, &count, sizeof(count)) == sizeof(count), "read the event");
}

static void first_pass(void)
{
	start(HOUR_MS, 1);
	loop_run(&t.loop);
	CHECK_INT(t.passes, 1);
	loop_close(&t.loop);
}

static void tick(void *ctx)
{
	int *ticks = ctx;

	CHECK_INT(t.passes, 0);
	if (++*ticks < 3)
		loop_tick_by(&t.loop, t.loop.now + 1);
	else
		loop_pass_now(&t.loop);
}

/* Ticks come at their times, and bring no pass by themselves. */
static void ticks(void)
{
	int n = 0;

	start(HOUR_MS, 1);
	t.loop.next = t.loop.now + HOUR_MS;
	t.loop.tick = tick;
	t.loop.tick_ctx = &n;
	loop_tick_by(&t.loop, t.loop.now + HOUR_MS);
	loop_tick_by(&t.loop, t.loop.now + 1);
	loop_tick_by(&t.loop, t.loop.now + HOUR_MS); /* no later than that */
	loop_run(&t.loop);
	CHECK_INT(n, 3);
	CHECK_INT(t.passes, 1);
	loop_close(&t.loop);
}

/* Without a function for it. */
static void no_ticks(void)
{
	start(HOUR_MS, 1);
	t.loop.next = t.loop.now + HOUR_MS;
	loop_tick_by(&t.loop, t.loop.now + 1);
	loop_run(&t.loop);
	CHECK_INT(t.passes, 1);
	loop_close(&t.loop);
}

static void ask_often(struct loop_source *source, uint32_t events)
{
	CHECK(events & EPOLLIN);
	take(source);
	of_source(source)->calls++;
	for (int i = 0; i < 1000; i++)
		loop_pass_now(&t.loop);
}

/* Three events and thousands of wishes, before the pass that is due anyway: one pass. */
static void coalesced(void)
{
	struct counter *c[3];
	int calls = 0;

	start(HOUR_MS, 1);
	for (int i = 0; i < 3; i++)
		c[i] = new_counter(ask_often);
	loop_run(&t.loop);
	for (int i = 0; i < 3; i++) {
		calls += c[i]->calls;
		loop_drop(&t.loop, &c[i]->source);
		free(c[i]);
	}
	CHECK_INT(calls, 3);
	CHECK_INT(t.passes, 1);
	CHECK(t.loop.next > t.loop.now);
	loop_close(&t.loop);
}

static void ask_in_first_pass(void)
{
	for (int i = 0; t.passes == 1 && i < 100; i++)
		loop_pass_now(&t.loop);
}

static void asked_in_pass(void)
{
	start(HOUR_MS, 2);
	t.in_pass = ask_in_first_pass;
	loop_run(&t.loop);
	CHECK_INT(t.passes, 2);
	CHECK(t.loop.next > t.loop.now);
	loop_close(&t.loop);
}

static void earliest_wins(void)
{
	start(HOUR_MS, 1);
	loop_run(&t.loop);
	loop_pass_by(&t.loop, t.loop.now + 5000);
	loop_pass_by(&t.loop, t.loop.now + 9000);
	CHECK_INT(t.loop.next, t.loop.now + 5000);
	loop_pass_by(&t.loop, t.loop.now + 30);
	loop_pass_by(&t.loop, t.loop.now + 40);
	CHECK_INT(t.loop.next, t.loop.now + 30);
	loop_pass_by(&t.loop, t.loop.now + 2 * HOUR_MS);
	CHECK_INT(t.loop.next, t.loop.now + 30);
	loop_close(&t.loop);
}

static uint64_t asked_for;

static void ask_soon(void)
{
	if (t.passes > 1)
		CHECK(t.passed_at >= asked_for);
	asked_for = t.loop.now + 20;
	loop_pass_by(&t.loop, asked_for + 10);
	loop_pass_by(&t.loop, asked_for);
}

/* The timer brings each pass, none of them early; an hour's interval would not. */
static void timer_fires(void)
{
	start(HOUR_MS, 4);
	t.in_pass = ask_soon;
	loop_run(&t.loop);
	CHECK_INT(t.passes, 4);
	loop_close(&t.loop);
}

static void interval(void)
{
	start(10, 5);
	loop_run(&t.loop);
	CHECK_INT(t.passes, 5);
	loop_close(&t.loop);
}

static void stop_signals(void)
{
	if (t.passes == 1) {
		kill(getpid(), SIGTERM);
		kill(getpid(), SIGINT);
	} else if (t.passes == 2) {
		kill(getpid(), SIGTERM);
	}
}

static void stopped_once(void)
{
	start(HOUR_MS, 3);
	t.in_pass = stop_signals;
	loop_run(&t.loop);
	CHECK_INT(t.stops, 1);
	CHECK(t.loop.stopping);
	CHECK_INT(t.passes, 3);
	loop_close(&t.loop);
}

static void hang_up(void)
{
	if (t.passes < t.last)
		kill(getpid(), SIGHUP);
}

static void hup_is_a_pass(void)
{
	start(HOUR_MS, 3);
	t.in_pass = hang_up;
	loop_run(&t.loop);
	CHECK_INT(t.passes, 3);
	CHECK_INT(t.stops, 0);
	CHECK(!t.loop.stopping);
	loop_close(&t.loop);
}

/* What comes in each pass: nothing, SIGHUP, nothing, SIGCHLD, then SIGTERM. */
static void other_signals(void)
{
	static const int comes[] = { 0, SIGHUP, 0, SIGCHLD, SIGTERM };

	CHECK_INT(t.loop.hup, t.passes == 2);
	t.loop.hup = false;
	if (t.passes < (int)LENGTH(comes)) {
		if (comes[t.passes])
			kill(getpid(), comes[t.passes]);
		loop_pass_by(&t.loop, t.loop.now + 10);
	}
}

/* It is kept until somebody obeys, and only SIGHUP sets it. */
static void hup_is_told(void)
{
	start(HOUR_MS, 5);
	CHECK(!t.loop.hup);
	t.in_pass = other_signals;
	loop_run(&t.loop);
	CHECK_INT(t.stops, 1);
	CHECK(!t.loop.hup);
	loop_close(&t.loop);
	start(HOUR_MS, 3);
	t.in_pass = stop_signals;
	kill(getpid(), SIGHUP); /* and those that come after it do not clear it */
	loop_run(&t.loop);
	CHECK(t.loop.hup && t.loop.stopping);
	loop_close(&t.loop);
}

static void signals_blocked(void)
{
	sigset_t set;
	int fd[2];

	start(HOUR_MS, 1);
	sigprocmask(SIG_BLOCK, NULL, &set);
	CHECK(sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGINT) == 1);
	CHECK(sigismember(&set, SIGHUP) == 1 && sigismember(&set, SIGCHLD) == 1);
	must(!pipe(fd), "make a pipe");
	close(fd[0]);
	CHECK(write(fd[1], "x", 1) < 0 && errno == EPIPE); /* and lives */
	close(fd[1]);
	loop_close(&t.loop);
}

static void drop_itself(struct loop_source *source, uint32_t events)
{
	struct counter *c = of_source(source);

	(void)events;
	t.stops++;
	loop_drop(&t.loop, source);
	CHECK_INT(source->fd, -1);
	loop_drop(&t.loop, source); /* nothing, then */
	free(c);
	loop_pass_now(&t.loop);
}

static void dropped_by_itself(void)
{
	start(HOUR_MS, 1);
	new_counter(drop_itself);
	loop_run(&t.loop);
	CHECK_INT(t.stops, 1);
	loop_close(&t.loop);
}

/* Takes the other one along; both are freed, so that a late call would be seen. */
static void drop_both(struct loop_source *source, uint32_t events)
{
	struct counter *c = of_source(source);

	(void)events;
	t.stops++;
	loop_drop(&t.loop, &c->other->source);
	free(c->other);
	loop_drop(&t.loop, source);
	free(c);
}

static void dropped_by_another(void)
{
	struct counter *a, *b;

	start(HOUR_MS, 1);
	a = new_counter(drop_both);
	b = new_counter(drop_both);
	a->other = b;
	b->other = a;
	loop_run(&t.loop);
	CHECK_INT(t.stops, 1);
	CHECK_INT(t.passes, 1);
	loop_close(&t.loop);
}

/* The descriptor lives on in a copy: the source must not be called for it. */
static void dropped_with_copy(void)
{
	struct counter *c;
	int copy;

	start(HOUR_MS, 2);
	c = new_counter(drop_itself);
	copy = dup(c->source.fd);
	t.in_pass = ask_in_first_pass;
	loop_run(&t.loop);
	CHECK_INT(t.stops, 1);
	close(copy);
	loop_close(&t.loop);
}

static void never_taken(struct loop_source *source, uint32_t events)
{
	(void)events;
	of_source(source)->calls++;
}

/* A source that is always ready does not keep the pass away. */
static void storm(void)
{
	struct counter *c;

	start(1, 5);
	c = new_counter(never_taken);
	loop_run(&t.loop);
	CHECK_INT(t.passes, 5);
	CHECK(c->calls > 0);
	loop_drop(&t.loop, &c->source);
	free(c);
	loop_close(&t.loop);
}

static void taken(struct loop_source *source, uint32_t events)
{
	CHECK(events & EPOLLIN);
	take(source);
	of_source(source)->calls++;
	loop_pass_now(&t.loop);
}

static void rewatched(void)
{
	struct counter *c;
	int fd;

	start(HOUR_MS, 1);
	c = new_counter(taken);
	CHECK_INT(loop_watch(&t.loop, &c->source, 0), 0);
	loop_run(&t.loop);
	CHECK_INT(c->calls, 0);
	CHECK_INT(loop_watch(&t.loop, &c->source, EPOLLIN), 0);
	t.last = 2;
	loop_run(&t.loop);
	CHECK_INT(c->calls, 1);
	fd = loop_unwatch(&t.loop, &c->source);
	CHECK(fd >= 0 && c->source.fd == -1);
	CHECK_INT(eventfd_write(fd, 1), 0); /* it is open, and ours */
	loop_pass_now(&t.loop);
	t.last = 3;
	loop_run(&t.loop);
	CHECK_INT(c->calls, 1);
	c->source.fd = fd;
	close(fd);
	CHECK_INT(loop_watch(&t.loop, &c->source, EPOLLIN), -EBADF);
	free(c);
	loop_close(&t.loop);
}

static void clock_is_monotonic(void)
{
	uint64_t before = loop_clock();

	start(HOUR_MS, 1);
	loop_run(&t.loop);
	CHECK(t.loop.now >= before);
	CHECK(loop_clock() >= t.loop.now);
	loop_close(&t.loop);
}

/* Several may end before SIGCHLD is read once. */
static void children_reaped(void)
{
	siginfo_t info;
	pid_t pid[3];

	start(HOUR_MS, 1); /* the pass comes when no event is ready */
	for (size_t i = 0; i < LENGTH(pid); i++) {
		pid[i] = fork();
		must(pid[i] >= 0, "fork");
		if (!pid[i])
			_exit(9);
	}
	for (size_t i = 0; i < LENGTH(pid); i++) /* all are zombies before the loop runs */
		must(!waitid(P_PID, (id_t)pid[i], &info, WEXITED | WNOWAIT), "wait");
	loop_run(&t.loop);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	loop_close(&t.loop);
}

static void no_leak(void)
{
	unsigned before = open_files();

	first_pass();
	dropped_by_itself();
	dropped_by_another();
	stopped_once();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_loop: the first pass comes at once", first_pass);
	RUN("t_loop: ticks", ticks);
	RUN("t_loop: no function for ticks", no_ticks);
	RUN("t_loop: one pass answers all who ask", coalesced);
	RUN("t_loop: asked for in a pass", asked_in_pass);
	RUN("t_loop: the earliest deadline wins", earliest_wins);
	RUN("t_loop: the timer brings the pass, not early", timer_fires);
	RUN("t_loop: a pass every interval", interval);
	RUN("t_loop: told to stop, once", stopped_once);
	RUN("t_loop: SIGHUP asks for a pass", hup_is_a_pass);
	RUN("t_loop: SIGHUP is told to whoever obeys", hup_is_told);
	RUN("t_loop: signals are blocked", signals_blocked);
	RUN("t_loop: a source drops itself", dropped_by_itself);
	RUN("t_loop: a source drops another", dropped_by_another);
	RUN("t_loop: a source is dropped while its file lives on", dropped_with_copy);
	RUN("t_loop: a storm of events", storm);
	RUN("t_loop: watched, paused, let go", rewatched);
	RUN("t_loop: children are reaped", children_reaped);
	RUN("t_loop: the clock", clock_is_monotonic);
	RUN("t_loop: no descriptor is left open", no_leak);
	return check_status();
}
