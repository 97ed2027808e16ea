"""The report's part on stages."""

import json

from espnet2_ext.evaluation.attribution_page import lay_out, read_losses
from espnet2_ext.evaluation.page import Report

ROWS = {"ground_truth": 0.0, "vocoder_gt_mel": 3.0, "codec_resynthesis": 5.5}


def write_scores(folder):
    for system, mcd in ROWS.items():
        utts = folder / system / "test" / "utts"
        utts.mkdir(parents=True)
        for k in range(3):
            (utts / f"u{k}.json").write_text(
                json.dumps({"utt": f"u{k}", "mcd_db": mcd + k * (mcd > 0)})
            )


def test_table_and_picture_of_the_stages_that_were_scored(tmp_path):
    write_scores(tmp_path)
    part = lay_out("test", read_losses(tmp_path, [*ROWS, "lm+flow2+voc", "mine"], "test"))
    assert part.stages == ["vocoder", "codec"]
    ((head, cells),) = part.rows
    assert head == "MCD dB (WORLD, DTW), 3 utt"
    assert [cell.value for cell in cells] == ["+4.00", "+2.50"]
    assert cells[1].spread == "+2.50 – +2.50"
    assert part.picture[8:12] == b"WEBP"
    html = Report("t", {}, [], {}, [], attributions=[part]).html()
    assert '<a href="#stages">' in html and "+4.00<small>" in html
    assert html.count("data:image/webp") == 1


def test_without_scores_there_is_no_part(tmp_path):
    assert lay_out("test", read_losses(tmp_path, list(ROWS), "test")) is None
    assert 'id="stages"' not in Report("t", {}, [], {}, []).html()
