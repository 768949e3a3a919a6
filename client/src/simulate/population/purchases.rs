//! What people buy and sell, and the bursts of those who test stolen cards. All names are made up.

use ecs_domain::Money;

use super::Content;
use super::noise::Dice;
use super::persona::Persona;
use super::traits::Traits;

/// Where money goes: the merchant, the category, the channel, the price against what the person usually pays, and how
/// often of 100 times.
struct Shop(&'static str, &'static str, &'static str, f64, f64);

const STEADY: [Shop; 8] = [
    Shop("Mercado Aurora", "groceries", "pos", 1.20, 34.0),
    Shop("Padaria Sol", "groceries", "pos", 0.25, 16.0),
    Shop("Metrô Rápido", "transport", "app", 0.20, 14.0),
    Shop("Farmácia Vida", "health", "pos", 0.90, 8.0),
    Shop("Casa Clara", "household", "web", 2.60, 8.0),
    Shop("Livraria Horizonte", "books", "web", 1.20, 6.0),
    Shop("Cinema Lua", "leisure", "app", 0.80, 8.0),
    Shop("Energia Norte", "utilities", "app", 3.40, 6.0),
];
const STRESSED: [Shop; 8] = [
    Shop("Come Já Entregas", "delivery", "app", 0.90, 30.0),
    Shop("Mercado Aurora", "groceries", "pos", 1.10, 20.0),
    Shop("Corrida Fácil", "transport", "app", 0.45, 16.0),
    Shop("Modas Impulso", "clothing", "web", 2.40, 9.0),
    Shop("Jogos Nuvem", "leisure", "app", 0.70, 9.0),
    Shop("Farmácia Vida", "health", "pos", 0.80, 6.0),
    Shop("Crédito Ligeiro", "fees", "web", 2.20, 5.0),
    Shop("Bar da Esquina", "leisure", "pos", 0.80, 5.0),
];
const MERCHANT: [Shop; 5] = [
    Shop("Balcão", "sales", "pos", 0.80, 55.0),
    Shop("Loja Virtual", "sales", "web", 1.20, 25.0),
    Shop("Encomendas", "sales", "app", 1.50, 10.0),
    Shop("Atacado Central", "supplies", "web", 1.40, 7.0),
    Shop("Frete Expresso", "shipping", "web", 0.40, 3.0),
];
const ARRIVAL: [Shop; 6] = [
    Shop("Mercado Aurora", "groceries", "pos", 0.80, 30.0),
    Shop("Casa Clara", "household", "web", 2.00, 22.0),
    Shop("Metrô Rápido", "transport", "app", 0.15, 20.0),
    Shop("Telefonia Clara", "utilities", "app", 0.80, 10.0),
    Shop("Móveis Lar", "household", "pos", 3.50, 6.0),
    Shop("Cursos Abertos", "education", "web", 1.40, 12.0),
];
const FRAUDSTER: [Shop; 3] = [
    Shop("Padaria Sol", "groceries", "pos", 0.40, 40.0),
    Shop("Corrida Fácil", "transport", "app", 0.40, 40.0),
    Shop("Mercado Aurora", "groceries", "pos", 2.60, 20.0),
];
/// Where the loot of a burst goes; the prices are those of the goods, whoever buys them.
const LOOT: [Shop; 5] = [
    Shop("Vale-Presente Já", "gift-cards", "web", 300.0, 40.0),
    Shop("Moeda Estelar", "crypto", "web", 900.0, 20.0),
    Shop("Eletrônicos Raio", "electronics", "web", 1_400.0, 20.0),
    Shop("Relógios Ícaro", "jewellery", "app", 1_800.0, 8.0),
    Shop("Passagens Voo Livre", "travel", "app", 1_100.0, 12.0),
];
/// The first transactions of a burst only try whether the card still works.
const TRIALS: u32 = 3;
/// The largest amount there is, in cents.
const LARGEST: f64 = 5_000_000.0;

/// A transaction of somebody's ordinary life.
pub(super) fn transaction(dice: &mut Dice, person: &Traits) -> Content {
    let shops: &[Shop] = match person.persona {
        Persona::SteadyEarner => &STEADY,
        Persona::StressedSpender => &STRESSED,
        Persona::SeasonalMerchant => &MERCHANT,
        Persona::NewArrival => &ARRIVAL,
        Persona::Fraudster => &FRAUDSTER,
    };
    pay(dice, shops, person.ticket, 0.45)
}

/// Transaction `index` of a burst.
pub(super) fn burst(dice: &mut Dice, index: u32) -> Content {
    let (scale, spread) = if index < TRIALS { (0.005, 0.30) } else { (1.0, 0.35) };
    pay(dice, &LOOT, scale, spread)
}

fn pay(dice: &mut Dice, shops: &[Shop], scale: f64, spread: f64) -> Content {
    let Shop(merchant, category, channel, price, _) = choose(dice, shops);
    let amount = scale * price * dice.normal(0.0, spread).exp();
    let cents = (amount * 100.0).round().clamp(50.0, LARGEST);
    Content::Transaction { amount: Money::from_minor_units(cents as i64), merchant, category, channel }
}

fn choose<'a>(dice: &mut Dice, shops: &'a [Shop]) -> &'a Shop {
    const NOWHERE: &Shop = &Shop("Mercado Aurora", "groceries", "pos", 1.0, 1.0);
    let mut left = dice.unit() * shops.iter().map(|shop| shop.4).sum::<f64>();
    let found = shops.iter().find(|shop| {
        left -= shop.4;
        left < 0.0
    });
    found.or_else(|| shops.last()).unwrap_or(NOWHERE)
}
