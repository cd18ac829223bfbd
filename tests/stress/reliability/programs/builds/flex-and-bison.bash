# flex and bison
# needs: flex bison gcc
cat >l.l <<'E'
%option noyywrap
%{
#include "y.tab.h"
%}
%%
[0-9]+ { yylval = atoi(yytext); return N; }
[ \t] ;
.|\n return yytext[0];
E
cat >y.y <<'E'
%{
#include <stdio.h>
int yylex(void); void yyerror(const char* s) { printf("error: %s\n", s); }
%}
%token N
%left '+' '-'
%left '*'
%%
all: | all line; line: e '\n' { printf("%d\n", $1); } | error '\n' { yyerrok; }; e: N | e '+' e { $$ = $1 + $3; } | e '-' e { $$ = $1 - $3; } | e '*' e { $$ = $1 * $3; } | '(' e ')' { $$ = $2; };
%%
int main(void) { return yyparse(); }
E
flex l.l && bison -d -o y.tab.c y.y && gcc -w -o calc y.tab.c lex.yy.c && printf '1+2*3\n(4-1)*7\n1+\n9\n' | ./calc
echo '%%' | bison /dev/stdin -o x.c 2>/dev/null
echo $?
