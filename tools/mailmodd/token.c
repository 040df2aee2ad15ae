/* token.c - tokens to log in elsewhere with, from fetch.token_command and
 * smarthost.token_command.
 *
 * The command is the operator's; it is told for whom by its environment. Its
 * time and its output have an end; what it prints is shown in no log. On a
 * thread of the library that may wait. */
#include "token.h"

#include "system.h"

#include <stdio.h>
#include <string.h>

enum { COMMAND_MAX = 4097, COMMAND_MS = 60000, VARIABLE_MAX = 400 };

static const char *setting(const struct mailmod_token_question *question)
{
    return question->use == MAILMOD_TOKEN_SEND ? "smarthost.token_command"
                                               : "fetch.token_command";
}

static void fail(const struct mailmod_token_question *question,
                 const char *words)
{
    char line[1000];
    snprintf(line, sizeof line,
             "mailmodd: %s gave no token account=%s user=%s host=%s reason=%s",
             setting(question), question->account, question->user,
             question->host, words);
    system_log(NULL, MAILMOD_LOG_ERROR, line);
}

static int run(struct system_command *command,
               const struct mailmod_token_question *question)
{
    char texts[5][VARIABLE_MAX];
    char *environment[6] = {NULL};
    snprintf(texts[0], VARIABLE_MAX, "MAILMOD_ACCOUNT=%s", question->account);
    snprintf(texts[1], VARIABLE_MAX, "MAILMOD_USER=%s", question->user);
    snprintf(texts[2], VARIABLE_MAX, "MAILMOD_HOST=%s", question->host);
    snprintf(texts[3], VARIABLE_MAX, "MAILMOD_PORT=%u", question->port);
    snprintf(texts[4], VARIABLE_MAX, "MAILMOD_REFRESH=%d",
             question->is_refresh);
    for (int i = 0; i < 5; i++) {
        environment[i] = texts[i];
    }
    command->environment = environment;
    return system_run(command);
}

enum mailmod_error token_get(void *context,
                             const struct mailmod_token_question *question,
                             char *token_out, size_t size)
{
    char line[COMMAND_MAX];
    char words[40];
    unsigned wait_ms = question->wait_ms < COMMAND_MS
                           ? (unsigned)question->wait_ms
                           : COMMAND_MS;
    struct system_command command = {
        .line = line, .wait_ms = wait_ms, .text_out = token_out, .size = size};
    enum mailmod_error error =
        mailmod_config_get(context, setting(question), line, sizeof line);
    if (error != MAILMOD_OK || line[0] == '\0') {
        fail(question, "it is not set");
        return MAILMOD_ERROR_CONFIG;
    }
    if (run(&command, question) != 0) {
        fail(question, command.words);
        return MAILMOD_ERROR_SYSTEM;
    }
    if (command.exit_code != 0) {
        snprintf(words, sizeof words, "exit code %d", command.exit_code);
        fail(question, command.is_late         ? "it took too long"
                       : command.exit_code < 0 ? "it printed too much"
                                               : words);
        return command.is_late ? MAILMOD_ERROR_TIMEOUT
                               : MAILMOD_ERROR_AUTHENTICATION;
    }
    token_out[strcspn(token_out, "\r\n")] = '\0';
    return MAILMOD_OK;
}
