"""Small made copies of corpora, in the layout in which each is handed out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["MINIATURES", "Miniature", "openface_table"]

Miniature = Callable[[Path], dict[str, int]]
_SPLITS = ("train", "dev", "test")


def _write(file: Path, text: str = "") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def openface_table(file: Path, score: float, frames: int = 40, step: int = 1) -> None:
    """Write what OpenFace 2 does, with a frown that follows the score."""
    rng = np.random.default_rng([frames, int(file.stem[:3].strip("_") or 0) if file.stem[:3].isdigit() else 7])
    number = 1 + step * np.arange(frames)
    table = pd.DataFrame({"frame": number, "timestamp": (number - 1) / 30, "confidence": 0.95, "success": 1})
    for name in [f"gaze_{eye}_{axis}" for eye in "01" for axis in "xyz"] + [f"pose_R{axis}" for axis in "xyz"]:
        table[name] = rng.normal(size=frames) / 5 + rng.normal()
    for unit in (1, 4, 12):
        table[f"AU{unit:02}_r"] = rng.uniform(0, 2, frames) + (score if unit == 4 else 0)
    _write(file, table.round(4).to_csv(index=False).replace(",", ", "))


def avec2014(root: Path) -> dict[str, int]:
    for number in range(9):
        split, score = ("Training", "Development", "Testing")[number % 3], 5 * number
        for task in ("Freeform", "Northwind"):
            _write(root / split / task / f"{200 + number}_1_{task}_video.mp4")
        _write(root / "DepressionLabels" / f"{200 + number}_1_Depression.csv", f"{score}\n")
    return {"train": 3, "dev": 3, "test": 3}


def avec2013(root: Path) -> dict[str, int]:
    for number in range(9):
        split, score = ("Training", "Development", "Testing")[number % 3], 5 * number
        _write(root / split / "Video" / f"{203 + number}_1_cut_combined.mp4")
        _write(root / split / "DepressionLabels" / f"{203 + number}_1_Depression.csv", f"{score}\n")
    return {"train": 3, "dev": 3, "test": 3}


def daic_woz(root: Path) -> dict[str, int]:
    tables: dict[str, list[str]] = {split: [] for split in _SPLITS}
    rng = np.random.default_rng(0)
    for number in range(15):
        person, split, score = 300 + number, _SPLITS[max(0, number % 5 - 2)], number * 24 // 15
        folder, head = root / f"{person}_P", "frame, timestamp, confidence, success, "
        rows = [f"{n + 1}, {n / 30:.4f}, 0.9, 1, " for n in range(40)]
        parts = {
            "AUs": ("AU01_r, AU04_r, AU12_c", lambda s=score: f"{rng.uniform():.3f}, {s / 6 + rng.uniform():.3f}, 1"),
            "pose": ("Tx, Ty, Tz, Rx, Ry, Rz", lambda: ", ".join(f"{v:.3f}" for v in rng.normal(size=6))),
            "gaze": ("x_0, y_0, z_0, x_1, y_1, z_1, x_h0", lambda: ", ".join(f"{v:.3f}" for v in rng.normal(size=7))),
        }
        for part, (columns, values) in parts.items():
            text = "\n".join([head + columns, *(row + values() for row in rows)])
            _write(folder / f"{person}_CLNF_{part}.txt", text + "\n")
        sound = rng.normal(size=(134, 74)).round(3)
        _write(folder / f"{person}_COVAREP.csv", "\n".join(",".join(map(str, row)) for row in sound) + "\n")
        _write(folder / f"{person}_TRANSCRIPT.csv", "start_time\tstop_time\tspeaker\tvalue\n")
        gender = number % 2
        tables[split].append(f"{person},{int(score >= 10)},{score},{gender}")
    for split, name in (("train", "train_split_Depression_AVEC2017.csv"), ("dev", "dev_split_Depression_AVEC2017.csv")):
        _write(root / name, "\n".join(["Participant_ID,PHQ8_Binary,PHQ8_Score,Gender", *tables[split]]) + "\n")
    _write(
        root / "full_test_split.csv", "\n".join(["Participant_ID,PHQ_Binary,PHQ_Score,Gender", *tables["test"]]) + "\n"
    )
    bare = [",".join(row.split(",")[::3]) for row in tables["test"]]
    _write(root / "test_split_Depression_AVEC2017.csv", "\n".join(["participant_ID,Gender", *bare]) + "\n")
    _write(root / "342_P" / "342_CLNF_AUs.txt", "frame, timestamp, confidence, success, AU01_r\n1, 0, 0.9, 1, 0\n")
    return {"train": 9, "dev": 3, "test": 3}


def e_daic(root: Path) -> dict[str, int]:
    rows: dict[str, list[str]] = {split: [] for split in _SPLITS}
    rng = np.random.default_rng(1)
    for number in range(15):
        person, split, score = 600 + number, _SPLITS[max(0, number % 5 - 2)], number * 24 // 15
        folder = root / "data" / f"{person}_P" / "features"
        openface_table(folder / f"{person}_OpenFace2.1.0_Pose_gaze_AUs.csv", score / 8)
        if number != 3:  # one session without sound
            sound = [f"'x';{n / 100:.2f};{rng.uniform():.3f};{rng.normal():.3f}" for n in range(134)]
            head = "name;frameTime;Loudness_sma3;F0semitoneFrom27.5Hz_sma3nz"
            _write(folder / f"{person}_OpenSMILE2.3.0_egemaps.csv", "\n".join([head, *sound]) + "\n")
        rows[split].append(f"{person},{'female' if number % 2 else 'male'},{int(score >= 10)},{score}")
    for split, own in rows.items():
        _write(
            root / "labels" / f"{split}_split.csv",
            "\n".join(["Participant_ID,Gender,PHQ_Binary,PHQ_Score", *own]) + "\n",
        )
    return {"train": 9, "dev": 3, "test": 3}


def d_vlog(root: Path) -> dict[str, int]:
    rng, rows = np.random.default_rng(2), []
    for number in range(15):
        label = number % 2
        folder = root / str(number)
        folder.mkdir(parents=True)
        face = rng.normal(size=(68, 2)) * (40, 60) + (300, 200)
        visual = face + rng.normal(size=(50, 68, 2)) * (1 + label)
        np.save(folder / f"{number}_visual.npy", visual.reshape(50, 136))
        np.save(folder / f"{number}_acoustic.npy", rng.normal(size=(50 + number % 2, 25)))
        fold = ("train", "train", "train", "valid", "test")[number % 5]
        rows.append(f"{number},{'depression' if label else 'normal'},50.0,{'fm'[number % 2]},{fold}")
    _write(root / "labels.csv", "\n".join(["index,label,duration,gender,fold", *rows]) + "\n")
    return {"train": 9, "dev": 3, "test": 3}


def lmvd(root: Path) -> dict[str, int]:
    rng, rows = np.random.default_rng(3), []
    (root / "Audio_feature").mkdir(parents=True)
    for number in range(1, 16):
        label = number % 2
        openface_table(root / "Video_feature" / f"{number:03}.csv", 2.0 * label, step=30)
        np.save(root / "Audio_feature" / f"{number:03}.npy", rng.normal(size=(42, 128)))
        fold = ("train", "train", "train", "valid", "test")[number % 5]
        rows.append(f"{number},{'depression' if label else 'normal'},{fold}")
    _write(root / "lmvd_labels.csv", "\n".join(["index,label,fold", *rows]) + "\n")
    return {"train": 9, "dev": 3, "test": 3}


def crema_d(root: Path) -> dict[str, int]:
    votes, people = ['"","FileName","FaceVote","FaceLevel"'], ["ActorID,Age,Sex,Race,Ethnicity"]
    for number in range(15):
        actor = 1001 + number
        people.append(f"{actor},{20 + number},{'Male' if number % 2 else 'Female'},Caucasian,Not Hispanic")
        for emotion in ("SAD", "HAP"):
            name = f"{actor}_IEO_{emotion}_HI"
            level = 30 + 4 * number
            openface_table(root / "OpenFace" / f"{name}.csv", level / 40, frames=60)
            votes.append(f'"{len(votes)}","{name}","S","{level}"')
    votes[1] = votes[1].replace('"30"', '"30:44"')  # raters tied
    _write(root / "processedResults" / "summaryTable.csv", "\n".join(votes) + "\n")
    _write(root / "VideoDemographics.csv", "\n".join(people) + "\n")
    return {"train": 17, "dev": 6, "test": 6, "unlabelled": 1}


def mcd_rppg(root: Path) -> dict[str, int]:
    rows = ["patient_id,video,camera,step,stress,age,sex,bmi,pulse"]
    for number in range(15):
        for step in ("before", "after"):
            for camera in ("FullHDwebcam", "USBVideo", "IriunWebcam"):
                video = f"video/{1020 + number}_{camera}_{step}.avi"
                _write(root / video)
                rows.append(
                    f"{1020 + number},{video},{camera},{step},{40 + number},{20 + number},{'MF'[number % 2]},22.5,70"
                )
    _write(root / "db.csv", "\n".join(rows) + "\n")
    return {"train": 18, "dev": 6, "test": 6}


def mpdd(root: Path) -> dict[str, int]:
    rng, rows = np.random.default_rng(4), []
    for number in range(1, 16):
        score = number * 20 // 15
        for pair in (1, 2, 3, 4):
            for folder, name, columns in (("Video/openface", f"V_{pair}", 710), ("Audio/mfcc", f"A_{pair}", 64)):
                file = root / folder / str(number) / f"{name}.npy"
                file.parent.mkdir(parents=True, exist_ok=True)
                x_TD = rng.normal(size=(20, columns))
                x_TD[:, 0] += score / 5
                np.save(file, x_TD.astype(np.float32))
        rows.append(f"train,{int(score > 9)},{int(score > 4) + int(score > 9)},{number},{score}")
    _write(root / "split_labels_train.csv", "\n".join(["split,label2,label3,ID,PHQ-9", *rows]) + "\n")
    return {"train": 9, "dev": 3, "test": 3}


# A corpus and its recordings in each split. Each yaml that lfnet.cohorts.corpus loads needs one.
MINIATURES: dict[str, Miniature] = {
    made.__name__: made for made in (avec2013, avec2014, crema_d, d_vlog, daic_woz, e_daic, lmvd, mcd_rppg, mpdd)
}
