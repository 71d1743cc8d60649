#include "loop/hooks.h"
void hooks_init(struct hooks *hooks, struct loop *loop, const char *config) { hooks->loop = loop; hooks->config = config; }
void hooks_run(struct hooks *hooks, const struct hook_facts *facts) { (void)hooks; (void)facts; }
void hooks_pass(struct hooks *hooks) { (void)hooks; }
bool hooks_busy(const struct hooks *hooks) { return !hooks->loop; }
