/* `signet ui`: the web application on a port of its own, before a gateway elsewhere (ui §7). */
#ifndef SIGNET_UI_MAIN_H
#define SIGNET_UI_MAIN_H

int ui_main(int argc, char **argv); /* without the program and "ui"; the exit status */

#endif
