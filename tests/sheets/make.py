"""Writes the spreadsheet that the import is tested with, as a person would have left it: 61 rows of 60 invented vendors.

    python -m venv V && V/bin/pip install -r tests/sheets/requirements.txt && V/bin/python tests/sheets/make.py
"""

import datetime
import pathlib

from openpyxl import Workbook

FIRST = """Alderan Birkholt Calvero Dovrin Estrella Fjordun Galvino Hexamer Ibisco Juniper Kestrin Lumora Madrigal Nivexa Orvado
Pellucid Quorvia Rustico Saffrina Tamarisk Ulverton Vexilla Wolfram Xantera Yarrowby Zephyrin Amberlo Bracken Cinnabar Dunmore
Ellipsar Foxglove Gossamer Hollin Indigara Jacaranda Kumquat Larkspur Mistral Nightjar Oleander Pomelia Quillon Ravelin Sorrel
Thistledown Umbrella Vermilion Willowby Xylograph Yellowtail Zinnia Aquilon Bergamot Cormorant Drumlin Egretta Fennimore Grenadil
Halyard""".split()
KIND = ["Logistics", "Payments", "Analytics", "Hosting", "Payroll", "Translation", "Security"]
FORM = {"GB": "Ltd", "DE": "GmbH", "US": "Inc.", "FR": "SAS", "NL": "B.V."}
WRITTEN = {
    "GB": ["UK", "United Kingdom", "GB"],
    "DE": ["Germany", "DE", "Deutschland"],
    "US": ["USA", "United States", "US"],
    "FR": ["France", "fr"],
    "NL": ["The Netherlands", "NL"],
}
COUNTRIES = list(FORM)


def lei(number):
    body = f"9845{number:04d}PORTCULLIS"[:18]
    value = int("".join(str(int(letter, 36)) for letter in body + "00"))
    return body + f"{98 - value % 97:02d}"


def vendor(at):
    country = COUNTRIES[at % 5]
    starts = datetime.date(2025, 1 + at % 12, 1 + at % 27)
    ends = datetime.date(2027, 1 + at % 12, 1 + at % 27)
    written = [
        lambda day: day,
        lambda day: day.isoformat(),
        lambda day: day.strftime("%d %b %Y"),
        lambda day: (day - datetime.date(1899, 12, 30)).days,
        lambda day: day.strftime("%d/%m/%Y"),
    ][at % 5]
    name = f"{FIRST[at]} {KIND[at % 7]} {FORM[country]}"
    return {
        "name": f"  {name}\u00a0" if at % 6 == 0 else name,
        "country": WRITTEN[country][at % len(WRITTEN[country])],
        "lei": lei(at) if at % 3 == 0 else ("n/a" if at % 3 == 1 else None),
        "number": 70000000 + at if at % 4 == 0 else f"HRB {at}77{at}",
        "owner": ["jo", "sam", None][at % 3],
        "mail": f"security@{FIRST[at].lower()}.example",
        "start": written(starts),
        "end": written(ends),
        "data": ["PII", "internal", "PII, card data", "-"][at % 4],
        "records": [120000, "1,200,000", "~50k", None][at % 4],
    }


def rows():
    vendors = [vendor(at) for at in range(60)]
    vendors[7]["lei"] = lei(7)[:-2] + "00"
    vendors[11]["end"] = "31.02.2027"
    vendors[16]["start"], vendors[16]["end"] = "2027-01-01", "2026-01-01"
    vendors[21]["name"] = None
    vendors[26]["country"] = "Atlantis"
    vendors[31]["mail"] = "security at nowhere"
    vendors[36]["country"] = "#N/A"
    vendors[41]["name"] = "=A1&\" Ltd\""
    # Nearly the name of another: somebody has to say.
    vendors[46]["name"] = "Alderan Logistics Holding Ltd"
    again = dict(vendors[3], name=vendors[3]["name"].strip().upper())
    return vendors + [again]


book = Workbook()
sheet = book.active
sheet.title = "Vendors 2026"
sheet["A1"] = "Vendor register (confidential)"
sheet.merge_cells("A1:K1")
header = ["No.", "Business Unit", "Vendor Name *", "Country", "LEI code", "Company number", "Vendor owner", "Contact e-mail", "Contract start", "Contract end", "Data classes", "No. of records"]
for place, text in enumerate(header, 1):
    sheet.cell(3, place, text)
units = ["Logistics", "Finance", "People", "IT"]
line = 4
for at, one in enumerate(rows()):
    if at % 20 == 0:
        sheet.cell(line, 1, ["EMEA", "Americas", "Rest of the world", "Late additions"][at // 20])
        sheet.merge_cells(start_row=line, start_column=1, end_row=line, end_column=12)
        line += 1
    if at % 10 == 0:
        last = min(at + 9, at // 20 * 20 + 19, 60)
        sheet.cell(line, 2, units[at // 10 % 4])
        if last > at:
            sheet.merge_cells(start_row=line, start_column=2, end_row=line + last - at, end_column=2)
    sheet.cell(line, 1, at + 1)
    for place, field in enumerate(["name", "country", "lei", "number", "owner", "mail", "start", "end", "data", "records"], 3):
        sheet.cell(line, place, one[field])
    if at == 5:
        sheet.row_dimensions[line].hidden = True
    line += 1
    if at == 29:
        line += 1
sheet.cell(line + 1, 1, "Total")
sheet.cell(line + 1, 12, "=SUM(L4:L70)")
book.create_sheet("Notes")["A1"] = "ask Jo"
to = pathlib.Path(__file__).parents[2] / "portcullis" / "tests" / "sheets" / "vendors.xlsx"
book.save(to)
print(to)
