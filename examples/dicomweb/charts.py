"""Writes the clinic's images into a folder: sample files of pydicom as they are, and three patients' with marks.

A mark begins with `zqxj`: who may not see what it stands in must not find it in any byte of an answer.
"""
import copy
import pathlib
import sys

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

SAMPLES = pathlib.Path(pydicom.__file__).parent / "data" / "test_files"
ROOT = "1.2.392.200036.9999."  # of a Japanese maker
PATIENTS = [("SK-0001", "YAMADA^HANAKO", "山田^花子", "ヤマダ^ハナコ", "19870502", "F", "038Y"),
            ("SK-0002", "SUZUKI^ICHIRO", "鈴木^一郎", "スズキ^イチロウ", "19510911", "M", "074Y"),
            ("SK-0003", "SATO^YUKI", "佐藤^雪", "サトウ^ユキ", "20010103", "F", "024Y")]


def item(**elements):
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def mark(image, patient, number):
    number_of, latin, kanji, kana, born, sex, age = patient
    image.SpecificCharacterSet = "ISO_IR 192"
    image.PatientID = number_of
    image.PatientName = f"{latin}^zqxjname={kanji}={kana}"
    image.PatientBirthDate, image.PatientSex, image.PatientAge = born, sex, age
    image.PatientAddress = "東京都港区zqxjaddress"
    image.OtherPatientIDs = "zqxjother"
    image.AccessionNumber = f"zqxjA{number}"
    image.StudyID = f"zqxjS{number}"
    image.ReferringPhysicianName = "ITO^zqxjdoctor"
    image.OperatorsName = "KATO^zqxjoperator"
    image.InstitutionName = "zqxjinstitution"
    image.StationName = "zqxjstation"
    image.StudyDescription = "CT of HANAKO zqxjstudy"
    image.SeriesDescription = "zqxjseries"
    image.PatientComments = "zqxjcomments"
    image.ImageComments = "zqxjimage"
    image.DeviceSerialNumber = "zqxjserial"
    image.StudyDate, image.StudyTime = "20251103", "101500"
    image.ReferencedStudySequence = Sequence([item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID=image.StudyInstanceUID)])
    image.RequestAttributesSequence = Sequence([item(
        RequestedProcedureID="zqxjR1", ScheduledProcedureStepDescription="zqxjstep",
        ScheduledProtocolCodeSequence=Sequence([item(
            CodeValue="77477000", CodingSchemeDesignator="SCT", CodeMeaning="CT of thorax")]))])
    image.OtherPatientIDsSequence = Sequence([item(PatientID="zqxjnested", IssuerOfPatientID="zqxjissuer")])
    block = image.private_block(0x0099, "zqxjprivate", create=True)
    block.add_new(0x01, "LO", "zqxjprivate")
    block.add_new(0x02, "OB", b"zqxjprivate-bytes")


def main(folder):
    kept = 0
    for file in sorted(SAMPLES.rglob("*.dcm")):
        (folder / f"sample-{kept:03}.dcm").write_bytes(file.read_bytes())
        kept += 1
    for number, patient in enumerate(PATIENTS):
        study = generate_uid(prefix=ROOT, entropy_srcs=[patient[0], "study"])
        for name in ("CT_small.dcm", "MR_small.dcm"):
            series = generate_uid(prefix=ROOT, entropy_srcs=[patient[0], name])
            for instance in range(2):
                image = copy.deepcopy(pydicom.dcmread(SAMPLES / name))
                image.StudyInstanceUID, image.SeriesInstanceUID = study, series
                image.SOPInstanceUID = generate_uid(prefix=ROOT, entropy_srcs=[patient[0], name, str(instance)])
                image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
                image.InstanceNumber = instance + 1
                mark(image, patient, number)
                image.save_as(folder / f"{patient[0]}-{name[:2]}-{instance}.dcm")
    print(f"{kept} samples and {3 * 4} images of three patients")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
