//! Coarse attributes of a person, told by themselves: to see whether decisions are fair to groups, and for research on groups. No
//! decision looks at them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// In which band a person's age is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AgeBand {
    /// 18 to 24.
    From18,
    /// 25 to 34.
    From25,
    /// 35 to 44.
    From35,
    /// 45 to 54.
    From45,
    /// 55 to 64.
    From55,
    /// 65 and above.
    From65,
}

impl AgeBand {
    /// Every band there is, the youngest first.
    pub const ALL: [Self; 6] =
        [Self::From18, Self::From25, Self::From35, Self::From45, Self::From55, Self::From65];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::From18 => "18-24",
            Self::From25 => "25-34",
            Self::From35 => "35-44",
            Self::From45 => "45-54",
            Self::From55 => "55-64",
            Self::From65 => "65+",
        }
    }
}

impl fmt::Display for AgeBand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AgeBand {
    type Err = Cow<'static, str>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let band = Self::ALL.into_iter().find(|band| band.as_str() == text);
        band.ok_or_else(|| "must be 18-24, 25-34, 35-44, 45-54, 55-64 or 65+".into())
    }
}

/// Where a person lives: a country by its ISO 3166-1 code (`BR`), or a part of it by its ISO 3166-2 code (`BR-SP`). By the shape of the
/// code alone: the lists of parts change, and a list that lags would turn people away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region {
    /// The code, with zeros behind it.
    letters: [u8; 6],
}

impl Region {
    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.letters).unwrap_or_default().trim_end_matches('\0')
    }

    /// The country that it is or lies in.
    #[must_use]
    pub fn country(self) -> Self {
        let [first, second, ..] = self.letters;
        Self { letters: [first, second, 0, 0, 0, 0] }
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Region {
    type Err = Cow<'static, str>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (country, part) =
            text.split_once('-').map_or((text, None), |(country, part)| (country, Some(part)));
        let is_country = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_part = |part: &str| {
            (1..=3).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        if !is_country || !part.is_none_or(is_part) {
            return Err("must be an ISO 3166 code such as BR or BR-SP".into());
        }
        let mut letters = [0; 6];
        letters.iter_mut().zip(text.bytes()).for_each(|(letter, byte)| *letter = byte);
        Ok(Self { letters })
    }
}

/// What a person told of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Their age's band; `None` when they didn't tell.
    pub age_band: Option<AgeBand>,
    /// Where they live; `None` when they didn't tell.
    pub region: Option<Region>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_read_as_they_are_written() {
        for band in AgeBand::ALL {
            assert_eq!(band.to_string().parse(), Ok(band));
        }
        assert!("17".parse::<AgeBand>().is_err());
        assert!(AgeBand::ALL.is_sorted());
    }

    #[test]
    fn regions_have_the_shape_of_their_codes() {
        let check = |text: &str, country: Option<&str>| {
            let region = text.parse::<Region>().ok();
            let found = region.map(Region::country);
            assert_eq!(found.as_ref().map(Region::as_str), country, "{text}");
            assert!(region.is_none_or(|region| region.as_str() == text));
        };
        check("BR", Some("BR"));
        check("BR-SP", Some("BR"));
        check("FR-75C", Some("FR"));
        check("AT-9", Some("AT"));
        for text in
            ["", "B", "BRA", "br", "BR-", "BR-SPXX", "BR-sp", "BR-S P", "BR-SP-1", "B\u{0300}-SP", "ÄÖ"]
        {
            check(text, None);
        }
    }
}
