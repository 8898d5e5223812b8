"""Names as rosters have them: accents, apostrophes, hyphens, several parts, one letter, other scripts, spaces."""

# ruff: noqa: RUF001  (letters that look like others are the point)

from __future__ import annotations

import unicodedata


def _listed(names: str) -> tuple[str, ...]:
    return tuple(names.split("|"))


GIVEN = _listed(
    "Amelia|Noah|Olivia|Liam|Emma|Mateo|Sofía|José|Zoë|Chloé|Renée|Björn|Søren|Jürgen|Anaïs|Łukasz|Ngọc|Đức|"
    "Mai|Minh|Fatima|Mohammed|Aisha|Yusuf|Omar|Layla|Ravi|Priya|Arjun|Ananya|Wei|Xiu Ying|Jun|Yuki|Haruto|"
    "Sakura|Ji-woo|Seo-yeon|Anne-Marie|Jean-Luc|Mary Jane|Juan Carlos|Maria del Pilar|D'Andre|La'Shawn|O|A|J|"
    "Bo|Li|Íñigo|Çağla|Ömer|Žofie|Ștefan|Dmitri|Анастасия|Дмитрий|Ελένη|Νίκος|محمد|ליאור|美咲|伟|민준|สมชาย|"
    "अनन्या|Kwame|Adaeze|Thandiwe|Kaʻiulani|Nizhóní|Hunter|Madison|Tyler|Brooklyn|Ethan|Isabella|Jacob|Mia|"
    "Ava|Lucas|Harper|Elijah|Evelyn|Logan|Abigail|Aiden|Ella|Grace|Samuel|Victoria|Benjamin|Aurora|Daniel|"
    "Scarlett|Gabriel|Nora|Isaac|Hazel|Levi|Violet"
)

FAMILY = _listed(
    "Smith|Johnson|Williams|Brown|Jones|García|Miller|Davis|Rodríguez|Martínez|Hernández|López|González|"
    "Pérez|Sánchez|O'Neil|O'Brien|D'Angelo|N'Diaye|O’Connor|M'Bala|St. James|de la Cruz|van der Berg|"
    "von Trapp|Van Dyke|De León|Mac Giolla Phádraig|Smith-Jones|Lloyd Webber|García Márquez|al-Hassan|"
    "bin Salman|Ben-David|Ó Súilleabháin|Núñez|Müller|Schröder|Groß|Kowalczyk|Łęcki|Dvořák|Nováková|Ionescu|"
    "Papadopoulos|Παπαδόπουλος|Иванова|Шевченко|Yılmaz|Nguyễn|Trần|Phạm|Lê|Ng|Wu|Xu|O|E|Kim|Park|Choi|Tanaka|"
    "Suzuki|佐藤|王|김|Singh|Kaur|Patel|Sharma|Iyer|शर्मा|خان|כהן|Okafor|Mensah|Nkosi|Achebe|Kealoha|Begay|"
    "Yellowhorse|Lee|Walker|Hall|Allen|Young|King|Wright|Scott|Torres|Hill|Green|Adams|Baker|Nelson|Carter|"
    "Mitchell|Roberts|Turner|Phillips|Campbell|Parker|Evans|Edwards|Collins|Stewart|Morris|Null"
)

PLACES = _listed(
    "Springfield|Riverside|Oak Hill|Lincoln|Washington|Jefferson|Maple Grove|Cedar Ridge|Lakeview|Sunset|"
    "Pine Valley|Harbor|Meadowbrook|Eagle Creek|Stone Bridge|North Star|Cañada|St. Mary's|Coeur d'Alene|"
    "Prairie|Willow Park|Foothill|Martin Luther King Jr.|Rosa Parks|César Chávez|Ada Lovelace|Sequoia|"
    "Redwood|Granite|Bayside"
)


def plain(name: str) -> str:
    """A name as it stands in a username: lower case ASCII letters, or 'x' where nothing is left."""
    bare = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    return "".join(letter for letter in bare if letter.isalpha()) or "x"


PLAIN_GIVEN = tuple(plain(name) for name in GIVEN)
PLAIN_FAMILY = tuple(plain(name) for name in FAMILY)
