//! `README.txt`: what the archive is, in the person's language.

use ecs_domain::consent::Locale;

const ENGLISH: &str = "\
WHAT IS HELD ON YOU

This archive holds what this platform keeps about you: your account, what you agreed to, your transactions, your
emotions and what was made of them, decisions about credit with their reasons, your notifications, and what was done
with all that.

Each subject has two files with the same content: one .json for programs, one .csv for spreadsheets. manifest.json
says what each file holds, how many rows it has, and what is not here and why. An apostrophe before a text in a .csv
keeps your spreadsheet from taking the text for a formula; it is no part of it.

Times are in UTC. Amounts have the digits that we keep. Whoever has this archive can read all of it: store it as you
would store a bank statement.
";

const PORTUGUESE: &str = "\
O QUE GUARDAMOS SOBRE VOCÊ

Este arquivo contém o que esta plataforma guarda sobre você: a sua conta, aquilo com que você concordou, as suas
transações, as suas emoções e o que se fez delas, as decisões de crédito com os seus motivos, as suas notificações e o
que foi feito com tudo isso.

Cada assunto tem dois arquivos com o mesmo conteúdo: um .json para programas e um .csv para planilhas. O manifest.json
diz o que cada arquivo contém, quantas linhas tem, e o que não está aqui e por quê. Um apóstrofo antes de um texto em
um .csv evita que a planilha tome o texto por uma fórmula; ele não faz parte do texto.

Os horários estão em UTC. Os valores têm os dígitos que guardamos. Quem tiver este arquivo pode ler tudo: guarde-o como
guardaria um extrato bancário.
";

const SPANISH: &str = "\
LO QUE GUARDAMOS SOBRE USTED

Este archivo contiene lo que esta plataforma guarda sobre usted: su cuenta, aquello a lo que dio su consentimiento, sus
transacciones, sus emociones y lo que se hizo con ellas, las decisiones de crédito con sus motivos, sus notificaciones
y lo que se hizo con todo ello.

Cada tema tiene dos archivos con el mismo contenido: un .json para programas y un .csv para hojas de cálculo.
manifest.json dice qué contiene cada archivo, cuántas filas tiene, y qué no está aquí y por qué. Un apóstrofo delante de
un texto en un .csv evita que la hoja de cálculo tome el texto por una fórmula; no forma parte de él.

Las horas están en UTC. Los importes tienen los dígitos que guardamos. Quien tenga este archivo puede leerlo todo:
guárdelo como guardaría un extracto bancario.
";

/// The text in this language.
pub(super) fn of(locale: Locale) -> &'static str {
    match locale {
        Locale::En => ENGLISH,
        Locale::PtBr => PORTUGUESE,
        Locale::Es => SPANISH,
    }
}
