/* `signet serve`: start, signals, drain. */
#ifndef SIGNET_SERVE_H
#define SIGNET_SERVE_H

int serve_main(int argc, char **argv); /* argv without the program and "serve"; the exit status */

#endif
